package drafts_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/cluster/config"
)

// A question that comes twice, since its answer was lost, is one write.
func TestAQuestionComesTwice(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "x")
		f.mu.Lock()
		f.twice = true
		f.mu.Unlock()
		for i, node := range f.names {
			if d := f.begin(t, node, ""); d.ID != fmt.Sprint(i+1) {
				t.Errorf("%s begins %s", node, d.ID)
			}
			f.edit(t, node, "x", node)
		}
		f.shows(t, "x", f.names, f.names...)
		if list, err := f.at("n1").List(t.Context()); err != nil || len(list) != 4 {
			t.Errorf("%d drafts, %v", len(list), err)
		}
	})
}

// A write that was stored by a keeper that died before it has told it, and was made again by the next
// one, is no other one when the former keeper returns, however much has come after it.
func TestAWriteIsMadeAgain(t *testing.T) {
	with(t, func(t *testing.T, f *fleet) {
		t.Helper()
		f.begin(t, "n1", "a")
		for i := range 40 {
			f.edit(t, "n1", "a", fmt.Sprint("before ", i))
		}
		keeper := f.keeper(t)
		other := f.but(keeper)
		f.hook(func(node string, drafts map[string][]byte) error {
			if node == keeper && bytes.Contains(drafts["a"], []byte(`"body":"again"`)) {
				f.mu.Lock()
				f.side[keeper], f.unseen = 1, true
				f.mu.Unlock()
			}
			return nil
		})
		f.edit(t, other, "a", "again")
		f.hook(nil)
		f.kill(keeper)
		for i := range 400 {
			f.edit(t, other, "a", fmt.Sprint("after ", i))
			if i%10 > 0 {
				continue
			}
			if _, err := f.at(other).Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) { d.Edits = nil; return d, nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.at(other).Delete(t.Context(), "a", nil); err == nil {
			f.split(false)
			f.start(keeper)
			time.Sleep(time.Minute)
		} else {
			t.Fatal(err)
		}
		for _, node := range f.names {
			if list := f.ids(t, node); len(list) > 0 {
				t.Errorf("%s shows %q", node, list)
			}
		}
	})
}

// A draft that a node with a wrong clock drops does not come back, and what others have dropped neither.
func TestAWrongClock(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"behind": -200 * 24 * time.Hour, "ahead": 200 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			with(t, func(t *testing.T, f *fleet) {
				t.Helper()
				for _, id := range []string{"first", "a"} {
					f.begin(t, "n1", id)
				}
				time.Sleep(time.Minute)
				f.kill("n1")
				f.split(false, "n1")
				if err := f.at("n3").Delete(t.Context(), "first", nil); err != nil {
					t.Fatal(err)
				}
				f.kill("n2")
				f.turn(ahead, "n2")
				f.start("n2")
				f.kill("n3") // n2 keeps the drafts
				if err := f.at("n2").Delete(t.Context(), "a", nil); err != nil {
					t.Fatal(err)
				}
				f.start("n3")
				time.Sleep(time.Minute)
				for _, node := range []string{"n2", "n3"} {
					if d := f.disks[node].copy(); len(d.ends) != 2 || strings.Contains(string(d.state), "forgotten") {
						t.Errorf("%s knows %d ends, %s", node, len(d.ends), d.state)
					}
				}
				f.start("n1")
				f.split(false)
				time.Sleep(time.Minute)
				for _, node := range f.names {
					if list := f.ids(t, node); len(list) > 0 {
						t.Errorf("%s shows %q", node, list)
					}
				}
			})
		})
	}
}
