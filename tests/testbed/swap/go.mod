module certlet.invalid/testbed/swap

go 1.26.0
