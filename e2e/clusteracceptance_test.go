package e2e_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// vipAddress is what the wizard makes, an address of the fixture's network.
const vipAddress = "10.99.0.120"

// An acceptance is a person at the pages of one node of a real cluster: each row of the table begins
// at the page Cluster, is done with buttons and forms, and ends when the page shows the final state.
// Then the cluster itself is asked, on another way than that of the agent.
type acceptance struct {
	*managedFixture
	*page

	t     *testing.T    // of the row
	asked *cluster.Node // whose pages are used
	token string        // of the role read, for a console
}

func newAcceptance(t *testing.T, root string) *acceptance {
	t.Helper()
	access := filepath.Join(t.TempDir(), "access.yaml")
	accessUser(t, access, "ann", "--role", "admin")
	token, err := exec.CommandContext(t.Context(), build(t), "token", "new", "console", "--role", "read", "--access-file", access).Output()
	if err != nil {
		t.Fatal(err)
	}
	users, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	s := newManagedFixture(t, func(cfg *cluster.Config) {
		cfg.Root = root
		cfg.Files["access.yaml"] = cluster.File{Content: users, Mode: 0o600}
	})
	s.cluster.AwaitIdle()
	a := &acceptance{managedFixture: s, t: t, asked: s.cluster.Node("n2"), token: strings.TrimSpace(string(token))}
	a.page = openPage(t, a.servedAt(a.asked.Name, "127.0.0.1:10000"), "/cluster", look{width: 1280, height: 1000})
	// Nobody has logged in; and the change of a commit may have the page ask for the draft that is gone.
	a.excuse("401", "/cluster/drafts/1/diff")
	a.signIn("ann", "/cluster")
	return a
}

// acceptedOn goes through the table on a cluster of a release, from a root folder.
func acceptedOn(t *testing.T, root string) {
	t.Helper()
	begun := time.Now()
	a := newAcceptance(t, root)
	t.Logf("the cluster is there after %s", time.Since(begun).Round(time.Second))
	for _, row := range []struct {
		name string
		do   func()
	}{
		{"maintenance of the fence device", a.maintainFence},
		{"maintenance of node 1", a.maintainNode},
		{"primitive", a.createPrimitive},
		{"copy, stop, rename, delete", a.copyOf},
		{"delete from the list", a.deleteFromList},
		{"history and report", a.report}, // as long as it is short: each transition in it takes a moment
		{"clone of the fence device", a.cloneFence},
		{"group of the fence device", a.groupFence},
		{"cluster settings", a.clusterSettings},
		{"lists", a.lists},
		{"virtual IP", a.virtualIP},
		{"command log", a.commandLog},
		{"another cluster", a.otherCluster},
		{"parameters that agents check", a.agentsCheck},
		{"clear the state of a node", a.clearState},
		{"fence node 1", a.fenceNode},
	} {
		t.Run(row.name, func(t *testing.T) {
			begun := time.Now()
			a.t, a.tb = t, t
			defer func() {
				if t.Failed() {
					a.shot("failed")
				}
			}()
			a.visit("/cluster")
			a.reads(`[aria-label="Nodes and resources"]`, "fence")
			row.do()
			a.shot("done")
			t.Logf("%s", time.Since(begun).Round(time.Millisecond))
		})
	}
	a.t, a.tb = t, t
	t.Logf("%s in all", time.Since(begun).Round(time.Second))
}

// TestClusterAccepted goes through what an acceptance test of a console asks for, in a real browser
// on a real cluster.
func TestClusterAccepted(t *testing.T) {
	t.Parallel()
	testkit.Tool(t, "chromium")
	acceptedOn(t, "")
}

// TestClusterAcceptedOfOtherReleases is about Pacemaker 3.
func TestClusterAcceptedOfOtherReleases(t *testing.T) {
	t.Parallel()
	testkit.Tool(t, "chromium")
	onOtherPacemakers(t, acceptedOn)
}

// follow clicks on a link or button that begins with a text, and waits for the heading of its page.
func (a *acceptance) follow(within, text, heading string) {
	a.t.Helper()
	a.click(a.button(within, text))
	a.reads("h1", heading)
}

// resource goes from the page of the cluster to that of a resource.
func (a *acceptance) resource(id string) {
	a.t.Helper()
	a.visit("/cluster")
	a.follow(`[aria-label="Nodes and resources"] tbody`, id, id)
}

// object goes from the page of the cluster to the list of a kind of objects.
func (a *acceptance) objects(kind string) {
	a.t.Helper()
	a.visit("/cluster")
	a.follow(".head", "Configuration", "Configuration")
	a.choose(`[aria-label="Kind"]`, kind)
}

// acts clicks on an action, confirms it, and waits for what the page says in the end.
func (a *acceptance) acts(label string, says ...string) {
	a.t.Helper()
	a.click(a.button(".actions", label))
	a.confirms(says...)
}

// confirms confirms a dialog, and waits for what the page says in the end, which may take as long as
// the cluster needs to settle.
func (a *acceptance) confirms(says ...string) {
	a.t.Helper()
	a.reads("dialog", "Pacemaker predicts")
	a.settled(says...)
}

// settled clicks on the last button of a dialog, and waits for what the page says in the end.
func (a *acceptance) settled(says ...string) {
	a.t.Helper()
	a.click("dialog footer > button:last-child")
	a.eventually(says)
	a.sees(`!document.querySelector("dialog")`)
}

// previewed looks at the preview of a form, and has it saved.
func (a *acceptance) previewed(words ...string) {
	a.t.Helper()
	a.click("dialog footer > button:last-child")
	a.eventually(append([]string{"What it would do"}, words...))
}

// eventually waits until the page says words in a dialog or beside it, and fails as soon as a dialog
// shows an error.
func (a *acceptance) eventually(words []string) {
	a.t.Helper()
	testkit.Eventually(a.t, 2*time.Minute, func() error {
		var text, problem string
		if err := errors.Join(a.try(`[...document.querySelectorAll(".toasts, dialog")].map(e => e.innerText).join("\n")`, &text),
			a.try(`[...document.querySelectorAll("dialog .problem, dialog .field-error, .toasts .bad")].map(e => e.innerText).join("\n")`, &problem)); err != nil {
			return err
		}
		if problem != "" {
			a.t.Fatalf("the page says: %s", problem)
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				return fmt.Errorf("the page has not said %q, but %q", w, text)
			}
		}
		return nil
	})
}

// asks runs a command on the node whose pages are used.
func (a *acceptance) asks(name string, args ...string) string {
	a.t.Helper()
	out, err := a.asked.Try(name, args...)
	if err != nil {
		a.t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

// found reads XML, and returns the attributes of the first element with a name that has a value in an
// attribute, or any if the attribute is empty; nil: there is none.
func (a *acceptance) found(text, element, name, value string) map[string]string {
	a.t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			a.t.Fatalf("looking for %s: %v: %.300s", element, err, text)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != element {
			continue
		}
		attributes := map[string]string{}
		for _, x := range start.Attr {
			attributes[x.Name.Local] = x.Value
		}
		if name == "" || attributes[name] == value {
			return attributes
		}
	}
}

// monitor is an element of what crm_mon says on the node.
func (a *acceptance) monitor(element, name, value string) map[string]string {
	a.t.Helper()
	return a.found(a.asks("crm_mon", "--one-shot", "--inactive", "--output-as=xml"), element, name, value)
}

// has looks at attributes of the cluster.
func (a *acceptance) has(what string, got map[string]string, want ...string) {
	a.t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got[want[i]] != want[i+1] {
			a.t.Errorf("the cluster says of %s %s=%q, expected %q: %v", what, want[i], got[want[i]], want[i+1], got)
		}
	}
}

// configured is the first element of the configuration that an XPath selects, nil: there is none.
func (a *acceptance) configured(element, xpath string) map[string]string {
	a.t.Helper()
	out, err := a.asked.Try("cibadmin", "--query", "--xpath", xpath)
	if err != nil && !strings.Contains(out+err.Error(), "No such device or address") {
		a.t.Fatalf("%s: %v, %s", xpath, err, out)
	}
	if err != nil {
		return nil
	}
	return a.found(out, element, "", "")
}

// is looks whether the configuration has an object that an XPath selects.
func (a *acceptance) is(there bool, element, xpath string) {
	a.t.Helper()
	if got := a.configured(element, xpath); (got != nil) != there {
		a.t.Errorf("the cluster has %v at %s, expected: %t", got, xpath, there)
	}
}
