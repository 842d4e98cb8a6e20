package main

import (
	"slices"
	"testing"

	"thalassa/cluster"
)

// The lines of remote nodes and guests are not missing: they have no agent.
func TestOthersAreMembers(t *testing.T) {
	self, others := othersOf(cluster.Status{Self: "n1", Nodes: []cluster.Node{
		{Name: "n1", Type: "member"}, {Name: "n2", Type: "member"}, {Name: "n3"}, {Name: "far", Type: "remote"}, {Name: "web", Type: "guest"},
	}})
	if self != "n1" || !slices.Equal(others, []string{"n2", "n3"}) {
		t.Errorf("%s has the others %v", self, others)
	}
}
