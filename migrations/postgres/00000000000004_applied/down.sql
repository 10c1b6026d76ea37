DROP TABLE pandaflow_applied;
