module certlet.invalid/testbed/gateway

go 1.26.0
