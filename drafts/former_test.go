package drafts_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func (f *fleet) join(cluster string, names ...string) {
	f.mu.Lock()
	for _, name := range names {
		f.joined[name] = cluster
	}
	f.mu.Unlock()
	f.changed.Broadcast()
}

// ids are those of the drafts that a node shows.
func (f *fleet) ids(t *testing.T, node string) []string {
	t.Helper()
	list, err := f.at(node).List(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", node, err)
	}
	var out []string
	for _, d := range list {
		out = append(out, d.ID)
	}
	slices.Sort(out)
	return out
}

// A node that joins another cluster takes no drafts there, nor what it knows of them, and has them
// again when it comes back.
func TestANodeJoinsAnotherCluster(t *testing.T) {
	t.Parallel()
	for _, restarts := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := newFleet(t, "n1", "n2")
			time.Sleep(5 * time.Second)
			a.begin(t, "n1", "secret")
			a.edit(t, "n2", "secret", "one")
			a.begin(t, "n1", "gone")
			a.begin(t, "n1", "") // 1
			for _, id := range []string{"gone", "1"} {
				if err := a.at("n2").Delete(t.Context(), id, nil); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			a.stop()
			b := newFleet(t, "m1", "n2")
			defer b.stop()
			b.join("b", b.names...)
			b.kill("n2")
			b.disks["n2"] = a.disks["n2"]
			b.begin(t, "m1", "gone") // of the same name as one that was dropped there
			if !restarts {           // it learns of it later
				b.join("a", "n2")
				b.split(false, "n2")
				b.start("n2")
				time.Sleep(time.Minute)
				if got := b.ids(t, "n2"); !slices.Equal(got, []string{"secret"}) {
					t.Errorf("before, n2 shows %q", got)
				}
				b.join("", "n2") // the key of the cluster is not readable
				if got := b.ids(t, "n2"); !slices.Equal(got, []string{"secret"}) {
					t.Errorf("without a key, n2 shows %q", got)
				}
				b.join("b", "n2")
				b.split(false)
			} else {
				b.start("n2")
			}
			time.Sleep(time.Minute)
			if d := b.begin(t, "n2", ""); d.ID != "1" {
				t.Errorf("the first number is %s", d.ID)
			}
			for _, name := range b.names {
				if got := b.ids(t, name); !slices.Equal(got, []string{"1", "gone"}) {
					t.Errorf("%s of the other cluster shows %q", name, got)
				}
			}
			if len(b.disks["m1"].drafts)+len(b.disks["m1"].ends) != 2 {
				t.Errorf("m1 has stored %d drafts and %d ends", len(b.disks["m1"].drafts), len(b.disks["m1"].ends))
			}
			b.split(false, "n2")
			b.join("a", "n2")
			b.kill("n2")
			b.start("n2")
			if got := b.ids(t, "n2"); !slices.Equal(got, []string{"secret"}) {
				t.Errorf("back again, n2 shows %q", got)
			}
			b.shows(t, "secret", []string{"one"}, "n2")
			if d := b.begin(t, "n2", ""); d.ID != "2" {
				t.Errorf("the next number is %s", d.ID)
			}
			b.join("c", "n2")
			if got := b.ids(t, "n2"); len(got) > 0 {
				t.Errorf("in a third cluster, n2 shows %q", got)
			}
			if n := len(b.disks["n2"].drafts); n != 4 { // secret, 2 and two ends: those of one former cluster
				t.Errorf("%d documents are stored: %v", n, b.disks["n2"].drafts)
			}
		})
	}
}
