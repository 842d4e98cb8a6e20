package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
)

// TestManyChangesAtOnce puts two hundred backends at the same time. Each is answered
// as in effect, with a revision of its own, and a few reloads are enough.
func TestManyChangesAtOnce(t *testing.T) {
	const changes, mostReloads = 200, 5
	n, _ := serving(t, 2)
	before := n.masterReloads()
	answers := make([]map[string]any, changes)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			body := fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, 20000+i)
			answers[i] = n.call(200, http.MethodPut, "/backends/many-"+strconv.Itoa(i), body)
		})
	}
	all.Wait()
	revisions := map[any]bool{}
	for i, a := range answers {
		if a["applied"] != true || a["path"] != "reload" {
			t.Errorf("change %d: %v", i, a)
		}
		revisions[a["revision"]] = true
	}
	if len(revisions) != changes {
		t.Errorf("%d changes made %d revisions", changes, len(revisions))
	}
	if reloads := n.masterReloads() - before; reloads > mostReloads {
		t.Errorf("%d changes took %d reloads, expected %d at most", changes, reloads, mostReloads)
	}
}
