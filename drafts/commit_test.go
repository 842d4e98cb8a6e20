package drafts_test

import (
	"testing"
	"time"

	"thalassa/cluster/config"
)

// What a commit notes in a draft is the same on each node.
func TestACommitIsKnownEverywhere(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		want := config.Committing{Job: "0123456789abcdef0123", Begun: time.Now().UTC(), ID: "one", Node: "n1", Writing: true}
		if _, err := f.at("n1").Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) {
			d.Commit = &want
			return d, nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, node := range f.names {
			if d, err := f.at(node).Draft(t.Context(), "a"); err != nil || d.Commit == nil || *d.Commit != want {
				t.Errorf("%s: %+v, %v", node, d.Commit, err)
			}
		}
	})
}
