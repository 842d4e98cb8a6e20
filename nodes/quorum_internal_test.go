package nodes

import (
	"errors"
	"strings"
	"testing"

	"thalassa/cluster"
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
	for name, tc := range map[string]struct {
		v     cluster.Status
		going []string
		words string // of the refusal; empty: there is none
	}{
		"one of five, one is off":      {status("online", "online", "online", "online", "offline"), nil, ""},
		"two of five, one is off":      {status("online", "online", "online", "online", "offline"), []string{"n2"}, "without it and n2, on the way down already, 2 of 5 nodes are left"},
		"Pacemaker stops on another":   {status("online", "online", "online leaving", "standby", "offline"), nil, "without it and n3, on the way down already, 2 of 5"},
		"one that goes is gone":        {status("online", "online", "online", "online", "offline"), []string{"n5"}, ""},
		"the job is its own":           {status("online", "online", "online"), []string{"n1"}, ""},
		"two of five":                  {status("online", "online", "online", "online", "online"), []string{"n2"}, ""},
		"all others of three go":       {status("online", "online", "online"), []string{"n2", "n3"}, "without it and n2, n3, on the way down already, 0 of 3"},
		"it is the last":               {status("online", "offline", "offline"), nil, ""},
		"two nodes, as corosync knows": {status("online", "online"), []string{"n2"}, ""},
		"without quorum":               {status("online", "online", "offline"), nil, "without it 1 of 3 nodes are left, which have no quorum; shut down the whole cluster"},
	} {
		err := keepsQuorum(tc.v, "n1", tc.going)
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
		if err := c.Spares("n3", nil); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "ask the agent of a node that is online") {
			t.Errorf("%+v: %v", v, err)
		}
	}
}
