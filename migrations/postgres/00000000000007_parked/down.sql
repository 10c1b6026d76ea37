DROP TABLE pandaflow_parked;
