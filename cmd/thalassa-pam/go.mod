module thalassa/cmd/thalassa-pam

go 1.26.7

require github.com/msteinert/pam/v2 v2.1.0
