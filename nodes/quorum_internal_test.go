package nodes

import (
	"errors"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/lb"
)

// What is on its way down is no part of a quorum: by a job, or because Pacemaker stops there.
func TestQuorumWithoutNodesThatGo(t *testing.T) {
	t.Parallel()
	status := func(states ...string) (v cluster.Status) {
		for i, state := range states {
			n := cluster.Node{Name: "n" + string(rune('1'+i)), State: strings.TrimSuffix(state, " leaving"), Leaving: strings.HasSuffix(state, " leaving")}
			v.Nodes = append(v.Nodes, n)
		}
		v.Nodes = append(v.Nodes, cluster.Node{Name: "far", State: "online", Type: "remote"})
		return v
	}
	votes := func(first, device int) corosync.Votes {
		return corosync.Votes{Of: map[string]int{"n1": first}, Device: device}
	}
	for name, tc := range map[string]struct {
		v     cluster.Status
		going []string
		words string // of the refusal; empty: there is none
		votes corosync.Votes
	}{
		"one of five, one is off":    {v: status("online", "online", "online", "online", "offline")},
		"two of five, one is off":    {v: status("online", "online", "online", "online", "offline"), going: []string{"n2"}, words: "without it and n2, on the way down already, 2 of 5 nodes are left"},
		"Pacemaker stops on another": {v: status("online", "online", "online leaving", "standby", "offline"), words: "without it and n3, on the way down already, 2 of 5"},
		"one that goes is gone":      {v: status("online", "online", "online", "online", "offline"), going: []string{"n5"}},
		"the job is its own":         {v: status("online", "online", "online"), going: []string{"n1"}},
		"two of five":                {v: status("online", "online", "online", "online", "online"), going: []string{"n2"}},
		"all others of three go":     {v: status("online", "online", "online"), going: []string{"n2", "n3"}, words: "without it and n2, n3, on the way down already, 0 of 3"},
		"it is the last":             {v: status("online", "offline", "offline")},
		"two nodes":                  {v: status("online", "online"), votes: corosync.Votes{TwoNode: true}},
		"two nodes without two_node": {v: status("online", "online"), words: "without it 1 of 2 nodes are left, which have no quorum"},
		"both of two nodes":          {v: status("online", "online"), going: []string{"n2"}, votes: corosync.Votes{TwoNode: true}, words: "without it and n2, on the way down already, 0 of 2"},
		"one that has most votes":    {v: status("online", "online", "online"), votes: votes(3, 0), words: "without it 2 of 3 nodes with 2 of 5 votes are left, which have no quorum"},
		"one that has few votes":     {v: status("online", "online", "online", "offline", "offline"), going: []string{"n2"}, votes: corosync.Votes{Of: map[string]int{"n3": 5}}},
		"four nodes and a device":    {v: status("online", "online", "online", "offline"), votes: votes(1, 1)},
		"too few for a device":       {v: status("online", "online", "offline", "offline"), votes: votes(1, 1), words: "1 of 4 nodes with 2 of 5 votes, those of the quorum device included, are left"},
		"a node Pacemaker knows not": {v: status("online", "online", "online"), votes: corosync.Votes{Of: map[string]int{"n1": 1, "n2": 1, "n3": 1, "n4": 1}}, words: "2 of 4 nodes are left"},
		"without quorum":             {v: status("online", "online", "offline"), words: "without it 1 of 3 nodes are left, which have no quorum; shut down the whole cluster"},
	} {
		err := keepsQuorum(tc.v, tc.votes, "n1", tc.going)
		if (err == nil) != (tc.words == "") || err != nil && !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: %v, expected %q", name, err, tc.words)
		}
	}
}

// Where this node does not see the cluster, nobody knows whether the others keep their quorum: it
// may have gone down while the shutdown was asked for.
func TestQuorumThatIsNotSeen(t *testing.T) {
	t.Parallel()
	for _, v := range []cluster.Status{{Self: "n2", State: cluster.StateOffline}, {}} {
		c := &Crew{cfg: Config{View: func() cluster.Status { return v }}}
		if err := c.Spares(t.Context(), "n3", nil); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "ask the agent of a node that is online") {
			t.Errorf("%+v: %v", v, err)
		}
	}
}
