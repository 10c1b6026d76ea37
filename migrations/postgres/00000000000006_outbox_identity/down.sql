DROP TABLE pandaflow_outbox_identity;
