module gameye

go 1.21
