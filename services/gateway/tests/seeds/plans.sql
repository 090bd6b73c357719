-- Clients of the tests: one that nothing holds up, one that is soon told to wait.
INSERT INTO plans (client, per_second, burst) VALUES ('tests', 100000, 1000000), ('trickle', 1, 3);
