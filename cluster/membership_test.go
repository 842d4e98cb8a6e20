package cluster_test

import (
	"strconv"
	"testing"

	"thalassa/cluster"
)

// A step has one state, and warnings stay beside it, however many steps there are.
func TestWithStep(t *testing.T) {
	t.Parallel()
	var steps []cluster.MembershipStep
	add := func(node, step, state, text string) {
		steps = cluster.WithStep(steps, cluster.MembershipStep{Node: node, Step: step, State: state, Text: text})
	}
	add("n2", "authkey", "begin", "")
	add("n2", "node", "warning", "it has the key")
	add("n2", "authkey", "done", "")
	add("n2", "node", "warning", "it has the key")
	if len(steps) != 2 || steps[0].State != "done" || steps[1].State != "warning" {
		t.Fatalf("%+v", steps)
	}
	for i := range 2 * cluster.MaxMembershipSteps {
		add("n3", strconv.Itoa(i), "done", "")
	}
	add("n3", "node", "warning", "it has the key too")
	if last := len(steps) - 1; last != cluster.MaxMembershipSteps-1 || steps[0].Text != "it has the key" || steps[last].Text != "it has the key too" {
		t.Errorf("%d steps, %+v, %+v", len(steps), steps[0], steps[last])
	}
	for i := range 2 * cluster.MaxMembershipSteps {
		add("n3", "node", "warning", strconv.Itoa(i))
	}
	add("n4", "authkey", "done", "")
	if len(steps) != cluster.MaxMembershipSteps || steps[0].State != "warning" || steps[len(steps)-1].State != "warning" {
		t.Errorf("%d steps, %+v", len(steps), steps[0])
	}
}
