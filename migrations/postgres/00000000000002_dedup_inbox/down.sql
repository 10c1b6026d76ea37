DROP TABLE dedup_inbox;
