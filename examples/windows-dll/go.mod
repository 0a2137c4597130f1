module example.org/windows-dll

go 1.24
