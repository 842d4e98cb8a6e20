module thalassa/cmd/thalassa-cib

go 1.26.7

require github.com/ClusterLabs/go-pacemaker v0.0.0-20260609131737-256130b189e0

require (
	github.com/sirupsen/logrus v1.9.3 // indirect
	golang.org/x/sys v0.0.0-20220715151400-c0bba94af5f8 // indirect
)
