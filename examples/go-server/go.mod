module example.org/go-server

go 1.24
