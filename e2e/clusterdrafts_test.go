package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// A draftAnswer is a draft as the API shows it.
type draftAnswer struct {
	ID, Commit string
	Kept       []string
	Edits      []struct{ Path string }
}

// TestClusterDraftsSurviveTheirNode begins a draft at the floating address of the agents, loses the
// node that has it, goes on there, and commits. The node comes back, and shows nothing of it.
func TestClusterDraftsSurviveTheirNode(t *testing.T) {
	t.Parallel()
	s := newManagedFixture(t, nil)
	s.login()
	nodesFixture{s.clusterFixture}.known(t)
	s.draftsAreKept(t)
	first := s.cluster.Node(s.managedBy(""))

	var d draftAnswer
	do := func(what string, send func() error) {
		t.Helper()
		testkit.Eventually(t, 2*time.Minute, func() error { // the address may be about to move
			if err := send(); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		})
	}
	edit := func(tag, resource string) {
		t.Helper()
		do("edit "+tag, func() error {
			begun := time.Now()
			_, err := s.send("PUT", manageAt+"/cluster/config/tags/"+tag+"?draft=week-31", `{"objects":["`+resource+`"]}`)
			t.Logf("edit %s took %s (%v)", tag, time.Since(begun).Round(time.Millisecond), err)
			return err
		})
	}
	do("begin", func() error {
		_, err := s.send("POST", manageAt+"/cluster/drafts", `{"id":"week-31","message":"next week"}`)
		if err != nil && strings.Contains(err.Error(), "exists already") {
			return nil
		}
		return err
	})
	edit("before", "manage-ip")
	if err := s.get("/cluster/drafts/week-31", &d); err != nil || len(d.Kept) < 2 || len(d.Edits) != 1 {
		t.Fatalf("%v, %+v", err, d)
	}
	t.Logf("begun on %s, kept on %v", first.Name, d.Kept)

	first.Kill()
	lost := time.Now()
	second := s.managedBy(first.Name)
	do("read", func() error { return s.get("/cluster/drafts/week-31", &d) })
	if len(d.Edits) != 1 || d.Edits[0].Path != "/cluster/config/tags/before" {
		t.Errorf("after the loss of %s: %+v", first.Name, d)
	}
	t.Logf("%s shows it %s after the loss", second, time.Since(lost).Round(time.Millisecond))
	edit("after", "manage-ip")
	if err := s.get("/cluster/drafts/week-31", &d); err != nil || len(d.Edits) != 2 || slices.Contains(d.Kept, first.Name) || len(d.Kept) != 2 {
		t.Errorf("%v, %+v", err, d)
	}
	do("commit", func() error {
		_, err := s.send("POST", manageAt+"/cluster/drafts/week-31/commit", "")
		if err != nil && strings.Contains(err.Error(), "404") {
			return nil // it was committed by a request whose answer was lost
		}
		return err
	})
	out := s.cluster.Any().Run("cibadmin", "--query", "--scope", "tags")
	for _, tag := range []string{"before", "after"} {
		if strings.Count(out, `id="`+tag+`"`) != 1 {
			t.Errorf("tag %s: %s", tag, out)
		}
	}

	first.Boot()
	s.cluster.AwaitOnline()
	nodesFixture{s.clusterFixture}.known(t)
	at := first.Address()
	testkit.Eventually(t, 2*time.Minute, func() error {
		var list []draftAnswer
		if err := s.getAt("https://"+at+":10000", "/cluster/drafts", &list); err != nil {
			return err
		}
		if len(list) != 0 {
			return fmt.Errorf("the agent of %s shows %+v", first.Name, list)
		}
		return nil
	})
	if err := s.getAt("https://"+at+":10000", "/cluster/drafts/week-31", &d); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("the agent of %s: %v, %+v", first.Name, err, d)
	}
	for _, n := range s.cluster.Up() {
		if log := n.Log("thalassa.log", 100000); strings.Contains(log, "not readable") {
			t.Errorf("the log of %s: %s", n.Name, log)
		}
	}
}

// draftsAreKept waits until a draft is kept by more than one agent.
func (s *managedFixture) draftsAreKept(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, 2*time.Minute, func() error {
		var d draftAnswer
		if _, err := s.send("POST", manageAt+"/cluster/drafts", `{"id":"first"}`); err != nil && !strings.Contains(err.Error(), "exists already") {
			return err
		}
		if err := s.get("/cluster/drafts/first", &d); err != nil {
			return err
		}
		_, err := s.send("DELETE", manageAt+"/cluster/drafts/first", "")
		if err == nil && len(d.Kept) < 2 {
			err = fmt.Errorf("kept on %v", d.Kept)
		}
		return err
	})
}

// secretsOfDraftsStay looks for the secret of a draft in what the agents of all nodes show and log,
// while each of them has the draft.
func secretsOfDraftsStay(t *testing.T, s *clusterFixture, client *http.Client, id string) {
	t.Helper()
	for _, n := range s.cluster.Up() {
		v := guestAs(t, n, client, "admin")
		testkit.Eventually(t, time.Minute, func() error {
			status, text, err := v.ask(n, "GET", "/cluster/drafts/"+id, "")
			if err != nil || status != http.StatusOK {
				return errors.Join(err, fmt.Errorf("the draft at %s: %d %s", n.Name, status, text))
			}
			noCanary(t, "the draft at "+n.Name, text)
			return nil
		})
		for _, path := range []string{"/cluster/drafts", "/cluster/drafts/" + id + "/diff", "/cluster/config/primitives/api?draft=" + id, "/audit?limit=1000", "/status"} {
			status, text, err := v.ask(n, "GET", path, "")
			if err != nil || status != http.StatusOK {
				t.Errorf("%s at %s: %v, %d %.300s", path, n.Name, err, status, text)
			}
			noCanary(t, path+" at "+n.Name, text)
		}
		noCanary(t, "the log of "+n.Name, n.Log("thalassa.log", 100000))
		noCanary(t, "the log of Pacemaker on "+n.Name, edited(t, n))
	}
}

// edited is what Pacemaker on a node has logged about secrets of edits that were not made.
func edited(t *testing.T, n *cluster.Node) string {
	t.Helper()
	out, _ := n.Try("grep", "-h", "-e", canaryInEdit, "-e", canaryInDraft, "/var/log/pacemaker/pacemaker.log")
	return out
}
