DROP TABLE pandaflow_deployment;
DROP SEQUENCE pandaflow_outbox_batches;
DROP TABLE pandaflow_outbox;
DROP TABLE pandaflow_states;
DROP TABLE pandaflow_attempts;
DROP TABLE pandaflow_progress;
DROP TABLE pandaflow_owners;
