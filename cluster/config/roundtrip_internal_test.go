package config

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"thalassa/cluster/cibxml"
	"thalassa/internal/testkit"
)

// corpus gives the configurations of Pacemaker's scheduler tests, all where
// THALASSA_SCHEDULER_CIBS names their archive, else every eighth, or one in 32 in a short run.
func corpus(t *testing.T, try func(t *testing.T, configuration *cibxml.Element)) {
	t.Helper()
	var names []string
	cibs := map[string][]byte{}
	step := 8
	if testkit.SchedulerCIBs(t, func(name string, data []byte) {
		if filepath.Ext(name) == ".xml" {
			names, cibs[name] = append(names, name), data
		}
	}) {
		step = 1
	} else if testing.Short() {
		step = 32
	}
	for i, name := range names {
		if i%step != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, err := cibxml.Parse(cibs[name])
			if err != nil {
				t.Fatal(err)
			}
			try(t, root.Child("configuration"))
		})
	}
}

// An object that is read, written as JSON, read from it and written means the same, also
// in a cluster that has nothing of it. Put over itself with its secrets masked, it leaves
// the configuration as it is.
func TestNothingIsLost(t *testing.T) {
	corpus(t, func(t *testing.T, configuration *cibxml.Element) {
		t.Helper()
		before := configuration.Clone()
		edits := []Edit{}
		for _, k := range Kinds() {
			for _, e := range Elements(configuration, k) {
				o := Read(k, e)
				text := document(t, k, o)
				again, err := Parse(k, text, &o)
				if err != nil {
					t.Errorf("%s %s is not read: %v\n%s", k, o.ID, err, text)
					continue
				}
				if got := writeFields(shapeOf(k), again, again.element(shapeOf(k)), newMembers(e)); !same(got, e) {
					t.Errorf("%s %s: got\n%s\nwant\n%s\nof %s", k, o.ID, got.Bytes(), e.Bytes(), text)
				}
				edits = append(edits, Edit{Op: Put, Kind: k, ID: o.ID, Body: document(t, k, Masked(k, e))})
			}
		}
		if len(edits) == 0 {
			return
		}
		if err := Apply(configuration, "1:1", edits); err != nil {
			t.Fatal(err)
		}
		if !same(configuration, before) {
			t.Errorf("the configuration is\n%s\nand was\n%s", configuration.Bytes(), before.Bytes())
		}
		if got, want := comments(configuration), comments(before); got != want {
			t.Errorf("the configuration has %d comments, and had %d", got, want)
		}
	})
}

func document(t *testing.T, k Kind, o Object) []byte {
	t.Helper()
	text, err := json.Marshal(o.Document(k))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func comments(e *cibxml.Element) int {
	n := 0
	for _, c := range e.Children {
		n += comments(c)
		if c.Name == cibxml.CommentName {
			n++
		}
	}
	return n
}
