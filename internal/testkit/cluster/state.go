package cluster

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// A View is what a node thinks of the cluster (crm_mon --output-as=xml).
type View struct {
	DC        string
	Quorum    bool
	Online    []string // and not pending, nor in standby
	Resources []ResourceView
}

// A ResourceView is one instance of a resource.
type ResourceView struct {
	ID                      string
	Node                    string // "" where it does not run
	Active, Failed, Blocked bool
	Exec                    string // outcome of the last operation where it is no plain success
}

type monitor struct {
	Summary struct {
		DC struct {
			Name   string `xml:"name,attr"`
			Quorum bool   `xml:"with_quorum,attr"`
		} `xml:"current_dc"`
	} `xml:"summary"`
	Nodes []struct {
		Name    string `xml:"name,attr"`
		Online  bool   `xml:"online,attr"`
		Standby bool   `xml:"standby,attr"`
		Pending bool   `xml:"pending,attr"`
		Unclean bool   `xml:"unclean,attr"`
	} `xml:"nodes>node"`
	Resources []monitorResource `xml:"resources>resource"`
	Clones    []monitorResource `xml:"resources>clone>resource"`
	Groups    []monitorResource `xml:"resources>group>resource"`
}

type monitorResource struct {
	ID      string `xml:"id,attr"`
	Active  bool   `xml:"active,attr"`
	Failed  bool   `xml:"failed,attr"`
	Blocked bool   `xml:"blocked,attr"`
	Nodes   []struct {
		Name string `xml:"name,attr"`
	} `xml:"node"`
}

// View asks Pacemaker on the node.
func (n *Node) View() (View, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return n.view(ctx)
}

// view is View until ctx ends.
func (n *Node) view(ctx context.Context) (View, error) {
	out, err := n.tryFor(ctx, "crm_mon", "--one-shot", "--inactive", "--output-as=xml")
	if err != nil {
		return View{}, err
	}
	var m monitor
	if err := xml.Unmarshal([]byte(out), &m); err != nil {
		return View{}, err
	}
	v := View{DC: m.Summary.DC.Name, Quorum: m.Summary.DC.Quorum}
	for _, n := range m.Nodes {
		if n.Online && !n.Pending && !n.Standby && !n.Unclean {
			v.Online = append(v.Online, n.Name)
		}
	}
	for _, list := range [][]monitorResource{m.Resources, m.Clones, m.Groups} {
		for _, r := range list {
			one := ResourceView{ID: r.ID, Active: r.Active, Failed: r.Failed, Blocked: r.Blocked}
			if len(r.Nodes) == 1 {
				one.Node = r.Nodes[0].Name
			}
			v.Resources = append(v.Resources, one)
		}
	}
	return v, nil
}

// RunsOn lists the nodes where instances of a resource run.
func (v View) RunsOn(id string) []string {
	var nodes []string
	for _, r := range v.Resources {
		if r.ID == id && r.Active && !r.Failed {
			nodes = append(nodes, r.Node)
		}
	}
	return nodes
}

// Any is a node that is up.
func (l *Fixture) Any() *Node {
	l.tb.Helper()
	up := l.Up()
	if len(up) == 0 {
		l.tb.Fatal("no node of the fixture is up")
	}
	return up[0]
}

// AwaitOnline waits until every node that is up is online, in one cluster with
// quorum. Where nobody fences, a node whose Pacemaker has given up on a daemon gets
// the restart that an operator would give it.
func (l *Fixture) AwaitOnline() {
	l.tb.Helper()
	l.await("the nodes to be online", func() error { return l.online(l.Up()) })
}

// AwaitAll switches on the nodes that are off, also those that the cluster fences
// meanwhile, and waits until all are online.
func (l *Fixture) AwaitAll() {
	l.tb.Helper()
	l.await("all nodes to be online", func() error {
		for _, n := range l.Nodes {
			n.Boot()
		}
		return l.online(l.Nodes)
	})
}

// online reports what is missing for these nodes to be a cluster, all of it.
func (l *Fixture) online(nodes []*Node) error {
	for _, n := range nodes {
		if l.cfg.NoFencing && n.hasGivenUp() {
			l.tb.Logf("restarting Pacemaker on %s, which has given up on a daemon", n.Name)
			n.restartPacemaker()
		}
		v, err := n.View()
		if err != nil {
			return err
		}
		if v.DC == "" || !v.Quorum || len(v.Online) != len(nodes) {
			return fmt.Errorf("%s sees the DC %q, quorum %t, online %s", n.Name, v.DC, v.Quorum, v.Online)
		}
	}
	return nil
}

// AwaitIdle waits until the cluster has nothing left to do, see Idle.
func (l *Fixture) AwaitIdle() {
	l.tb.Helper()
	l.await("the cluster to be done", l.Idle)
}

// Idle reports that the cluster has something left to do, after it has given it a
// while (crm_resource --wait). That of Pacemaker 3.0 waits in vain while a monitor
// tells of a degraded resource: a DC that is idle before such a wait and after it
// has nothing to do.
func (l *Fixture) Idle() error {
	l.tb.Helper()
	n := l.Any()
	before := n.idleDC()
	_, err := n.Try("crm_resource", "--wait", "--timeout=10s")
	if err == nil || before == nil && n.idleDC() == nil {
		return nil
	}
	return errors.Join(err, before)
}

// idleDC reports that the DC, as the node sees it, is at work.
func (n *Node) idleDC() error {
	v, err := n.View()
	if err != nil {
		return err
	}
	out, err := n.Try("crmadmin", "--status="+v.DC, "--output-as=xml")
	if err == nil && !strings.Contains(out, `state="S_IDLE"`) {
		err = fmt.Errorf("the DC %q is at work: %s", v.DC, out)
	}
	return err
}

// AwaitRunning waits until the instances of a resource run on these nodes alone.
func (l *Fixture) AwaitRunning(tb testing.TB, id string, nodes ...string) {
	tb.Helper()
	testkit.Eventually(tb, patience, func() error {
		v, err := l.Any().View()
		if err != nil {
			return err
		}
		got := v.RunsOn(id)
		if !sameSet(got, nodes) {
			return fmt.Errorf("%s runs on %s, expected %s", id, got, nodes)
		}
		return nil
	})
}

// Fences waits until a node has been fenced after a moment.
func (l *Fixture) Fences(tb testing.TB, name string, after time.Time) Fencing {
	tb.Helper()
	var found Fencing
	testkit.Eventually(tb, patience, func() error {
		for _, f := range l.Fenced() {
			if f.Node == name && f.Time.After(after) {
				found = f
				return nil
			}
		}
		return errors.New("it was not fenced; the cluster has fenced " + strings.TrimSpace(fmt.Sprint(l.Fenced())))
	})
	return found
}
