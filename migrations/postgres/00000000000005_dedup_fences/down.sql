DROP TABLE dedup_fences;
