package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// An afternoon is what three people and several faults did to a cluster, by the record of the
// test: when each thing began and was over, by the clock that all nodes share.
type afternoon struct {
	*managedFixture

	t       *testing.T
	jars    map[string]*cookiejar.Jar // sessions by user; they hold on all nodes
	dc      *cluster.Node             // it was the DC most of the time, and is dead in the end
	lost    *cluster.Node             // it was killed, fenced, and is back
	asked   *cluster.Node             // it was unplugged, fenced, and is back; its pages are read
	when    map[string]interval
	failed  string // the node where app failed
	fencing string // the transition that fenced it, once it is found on a page
	from    string // where the floating IP was before its node was killed
	to      string // and after
}

// An interval is from the beginning to the end of something. It was done before the cluster was idle.
type interval struct{ begun, done, ended time.Time }

// newAfternoon boots a cluster that ann, ben and cleo may log in to.
func newAfternoon(t *testing.T) *afternoon {
	t.Helper()
	access := filepath.Join(t.TempDir(), "access.yaml")
	accessUser(t, access, "ann", "--role", "admin")
	accessUser(t, access, "ben", "--role", "operate")
	accessUser(t, access, "cleo", "--role", "admin")
	users, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	s := newManagedFixture(t, func(cfg *cluster.Config) {
		cfg.Files["access.yaml"] = cluster.File{Content: users, Mode: 0o600}
	})
	return &afternoon{managedFixture: s, t: t, jars: map[string]*cookiejar.Jar{}, when: map[string]interval{}}
}

// at asks the agent of a node as a user, and decodes the answer.
func (a *afternoon) at(n *cluster.Node, user, method, path, body string, v any) error {
	req, err := http.NewRequestWithContext(a.t.Context(), method, "https://127.0.0.1:10000"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	c := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: a.cluster.Dial(n.Name), DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
	}}
	if jar := a.jars[user]; jar != nil {
		c.Jar = jar
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s of %s %s at %s: %d %s", user, method, path, n.Name, res.StatusCode, data)
	}
	if err == nil && v != nil {
		err = json.Unmarshal(data, v)
	}
	return err
}

// does is at for a change that must succeed.
func (a *afternoon) does(user string, n *cluster.Node, method, path, body string) {
	a.t.Helper()
	if err := a.at(n, user, method, path, body, nil); err != nil {
		a.t.Fatal(err)
	}
}

// login has a user log in at a node.
func (a *afternoon) login(user string, n *cluster.Node) {
	a.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	a.jars[user] = jar
	testkit.Eventually(a.t, time.Minute, func() error {
		var session struct{ Name, Nodes string }
		err := a.at(n, user, "POST", "/session", `{"user":"`+user+`","password":"correct horse"}`, &session)
		if err == nil && (session.Name != user || session.Nodes != "all") {
			err = fmt.Errorf("session: %+v", session)
		}
		return err
	})
}

// happens records when something begins, and when the cluster has nothing to do any more.
func (a *afternoon) happens(what string, do func()) {
	a.t.Helper()
	begun := time.Now()
	do()
	done := time.Now()
	a.cluster.AwaitIdle()
	a.when[what] = interval{begun, done, time.Now()}
	a.t.Logf("%s: from %s, took %s", what, begun.UTC().Format("15:04:05.000"), time.Since(begun).Round(time.Millisecond))
}

// holder is the node that has the floating IP.
func (a *afternoon) holder() string {
	a.t.Helper()
	var name string
	testkit.Eventually(a.t, time.Minute, func() error {
		now := a.holders.Now()
		if len(now) != 1 {
			return fmt.Errorf("the address is on %v", now)
		}
		name = now[0]
		return nil
	})
	return name
}

// runs is the node where a resource runs.
func (a *afternoon) runs(id string) string {
	a.t.Helper()
	v, err := a.dc.View()
	if err != nil || len(v.RunsOn(id)) != 1 {
		a.t.Fatalf("%s runs on %v, %v", id, v.RunsOn(id), err)
	}
	return v.RunsOn(id)[0]
}

// passes is the afternoon itself.
func (a *afternoon) passes() {
	t := a.t
	t.Helper()
	a.cluster.AwaitIdle()
	v, err := a.cluster.Any().View()
	if err != nil {
		t.Fatal(err)
	}
	a.dc = a.cluster.Node(v.DC)
	others := slices.DeleteFunc(a.cluster.Up(), func(n *cluster.Node) bool { return n == a.dc })
	a.lost, a.asked = others[0], others[1]
	for _, user := range []string{"ann", "ben", "cleo"} {
		a.login(user, a.dc)
	}
	a.happens("ann adds app", func() {
		a.does("ann", a.dc, "POST", "/cluster/drafts", `{"id":"app","message":"the new application"}`)
		a.does("ann", a.dc, "POST", "/cluster/changes?draft=app", `{"edits":[
			{"method":"PUT","path":"/cluster/config/primitives/app","body":{"agent":"ocf:pacemaker:Dummy","params":{"fake":"one","state":"/run/app.state"},"ops":[{"name":"monitor","interval":"2s"}]}},
			{"method":"PUT","path":"/cluster/config/locations/app-home","body":{"rsc":"app","node":"`+a.lost.Name+`","score":"50"}}]}`)
		a.does("ann", a.dc, "POST", "/cluster/drafts/app/commit", "")
	})
	a.happens("ben standby", func() { a.does("ben", a.asked, "POST", "/cluster/actions/standby", `{"node":"`+a.lost.Name+`"}`) })
	a.happens("ben online", func() { a.does("ben", a.asked, "POST", "/cluster/actions/online", `{"node":"`+a.lost.Name+`"}`) })
	a.happens("app fails", func() {
		a.failed = a.runs("app")
		a.cluster.Node(a.failed).Run("rm", "/run/app.state")
		testkit.Eventually(t, time.Minute, func() error {
			if out := a.dc.Run("crm_mon", "-1", "--include=none,failcounts"); !strings.Contains(out, "fail-count") {
				return errors.New("Pacemaker has not noticed: " + out)
			}
			return nil
		})
	})
	a.happens("cleo moves vip", func() {
		a.does("cleo", a.dc, "POST", "/cluster/actions/move", `{"node":"`+a.lost.Name+`"}`)
	})
	a.from = a.holder()
	a.happens("the node is killed", func() {
		begun := time.Now()
		a.lost.Kill()
		a.cluster.Fences(t, a.lost.Name, begun)
		testkit.Eventually(t, time.Minute, func() error {
			if now := a.holders.Now(); len(now) != 1 || now[0] == a.from {
				return fmt.Errorf("the address is on %v", now)
			}
			return nil
		})
	})
	a.to = a.holder()
	a.happens("the node is back", a.cluster.AwaitAll)
	a.happens("ann changes app", func() {
		a.does("ann", a.dc, "PATCH", "/cluster/config/primitives/app", `{"meta":{"priority":"7"}}`)
	})
	a.happens("cleo places app", func() {
		a.does("cleo", a.lost, "PUT", "/cluster/config/locations/app-home", `{"rsc":"app","node":"`+a.asked.Name+`","score":"INFINITY"}`)
	})
	a.happens("the cable is out", func() {
		begun := time.Now()
		a.asked.Unplug()
		a.cluster.Fences(t, a.asked.Name, begun)
	})
	a.happens("the cable is in", a.cluster.AwaitAll)
}

// knows are the transitions that the agent of a node has, the newest first, once it knows what was
// decided in each.
func (a *afternoon) knows(n *cluster.Node) ([]clusterstatus.Transition, error) {
	var list struct{ Transitions []clusterstatus.Transition }
	if err := a.at(n, "ann", http.MethodGet, "/cluster/history?limit=1000", "", &list); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list.Transitions, func(t clusterstatus.Transition) bool { return !t.Known }); i >= 0 {
		return nil, fmt.Errorf("%s does not know yet what was decided in %s", n.Name, list.Transitions[i].ID)
	}
	return list.Transitions, nil
}

// ends has the DC die for good, when the node that is asked knows what the DC knows.
func (a *afternoon) ends() {
	a.t.Helper()
	testkit.Eventually(a.t, time.Minute, func() error {
		of, err := a.knows(a.dc)
		if err != nil {
			return err
		}
		known, err := a.knows(a.asked)
		if err != nil {
			return err
		}
		for _, t := range of {
			isIt := func(k clusterstatus.Transition) bool { return k.ID == t.ID }
			if (len(t.Decisions) > 0 || len(t.Authors) > 0) && !slices.ContainsFunc(known, isIt) {
				return fmt.Errorf("%s knows %d transitions of %d, and not %s: %+v", a.asked.Name, len(known), len(of), t.ID, t.Decisions)
			}
		}
		a.t.Logf("%s knows %d transitions of %d", a.asked.Name, len(known), len(of))
		return nil
	})
	a.happens("the DC is off", func() {
		begun := time.Now()
		a.dc.Kill()
		a.cluster.Fences(a.t, a.dc.Name, begun)
	})
	testkit.Eventually(a.t, time.Minute, func() error {
		known, err := a.knows(a.asked)
		if err == nil && fencing(known, a.dc.Name) == "" {
			err = fmt.Errorf("%s does not know of the loss of %s", a.asked.Name, a.dc.Name)
		}
		return err
	})
}

// TestClusterAfternoon reads from the pages of one node what became of a cluster on an afternoon,
// when the node that was the DC most of the time is dead.
func TestClusterAfternoon(t *testing.T) {
	t.Parallel()
	testkit.Tool(t, "chromium")
	a := newAfternoon(t)
	a.passes()
	a.ends()
	a.read(t)
}
