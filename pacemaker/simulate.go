package pacemaker

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// simulationXML is the part of crm_simulate's XML output that is used.
type simulationXML struct {
	Actions struct {
		Resources []struct {
			Action   string `xml:"action,attr"`
			Resource string `xml:"resource,attr"`
			Node     string `xml:"node,attr"`
			Source   string `xml:"source,attr"`
			Dest     string `xml:"dest,attr"`
			Reason   string `xml:"reason,attr"`
			Blocked  bool   `xml:"blocked,attr"`
		} `xml:"rsc_action"`
		Nodes []struct {
			Task   string `xml:"task,attr"`
			Node   string `xml:"node,attr"`
			Reason string `xml:"reason,attr"`
		} `xml:"node_action"`
	} `xml:"actions"`
	Transition struct {
		Resources []struct {
			Resource string `xml:"resource,attr"`
			Op       string `xml:"op,attr"`
			Node     string `xml:"node,attr"`
			Interval string `xml:"interval,attr"`
		} `xml:"rsc_action"`
		Cluster []struct {
			Task string `xml:"task,attr"`
		} `xml:"cluster_action"`
		Fencing []struct {
			Node string `xml:"target,attr"`
		} `xml:"fencing"`
	} `xml:"transition"`
	After struct {
		Nodes     []nodeXML    `xml:"nodes>node"`
		Resources resourcesXML `xml:"resources"`
		Failures  []failureXML `xml:"failures>failure"`
	} `xml:"revised_cluster_status"`
}

// busy reports whether the cluster would do anything. Pseudo actions, which the
// scheduler uses internally, do not count.
func (s simulationXML) busy() bool {
	return len(s.Transition.Resources)+len(s.Transition.Cluster)+len(s.Transition.Fencing) > 0
}

// consequences lists the scheduler's decisions in its own order.
func (s simulationXML) consequences() []cluster.Consequence {
	out := make([]cluster.Consequence, 0, len(s.Actions.Nodes)+len(s.Actions.Resources))
	for _, n := range s.Actions.Nodes {
		node, _, _ := strings.Cut(n.Node, " (resource: ") // of a guest: its container is listed, too
		out = append(out, cluster.Consequence{Action: n.Task, Node: node, Reason: n.Reason})
	}
	for _, r := range s.Actions.Resources {
		c := cluster.Consequence{Action: strings.ToLower(r.Action), Resource: base(r.Resource), Node: r.Node, Reason: r.Reason}
		switch {
		case r.Dest != "" && r.Dest != r.Source:
			c.Node, c.From = r.Dest, r.Source
		case c.Node == "":
			c.Node = cmp.Or(r.Dest, r.Source)
		}
		if r.Blocked {
			c.Action = cannot + c.Action
		}
		out = append(out, c)
	}
	return append(out, s.unlistedStops(out)...)
}

// unlistedStops returns the stops that the scheduler plans without listing them, such
// as those of a primitive that ran on several nodes as a clone.
func (s simulationXML) unlistedStops(listed []cluster.Consequence) []cluster.Consequence {
	var out []cluster.Consequence
	for _, op := range s.Transition.Resources {
		resource := base(op.Resource)
		if op.Op != "stop" || slices.ContainsFunc(listed, func(c cluster.Consequence) bool {
			return c.Resource == resource && (c.Node == op.Node || c.From == op.Node) || c.Resource == "" && c.Node == op.Node
		}) {
			continue
		}
		out = append(out, cluster.Consequence{Action: "stop", Resource: resource, Node: op.Node})
	}
	return out
}

// schedulerTime is the time limit of a run of the scheduler, which takes longer for a
// larger cluster: 10 ms more for each resource on each node, and 10 minutes at most.
func (c *CIB) schedulerTime(base time.Duration) time.Duration {
	return min(base+time.Duration(len(c.primitives())*len(c.nodeNames()))*10*time.Millisecond, 10*time.Minute)
}

// inject puts events, such as the failure of a node, into a CIB in a file at path. It does not
// change the cluster. complaints are about events that crm_simulate has not understood.
//
// It is a run of its own because Pacemaker 3.0.0 ends one with events after them, with
// success, and without asking the scheduler.
func inject(ctx context.Context, t *tools, cib *CIB, path string, events []string) (complaints []string, err error) {
	if len(events) == 0 {
		return nil, nil
	}
	after := path + ".injected"
	args := append([]string{"-x", path, "-O", after}, events...)
	out, err := t.run(ctx, call{tool: "crm_simulate", args: args, file: path, within: cib.schedulerTime(t.cfg.Timeout)})
	if err != nil {
		return nil, err
	}
	var said struct {
		Errors []string `xml:"status>errors>error"`
	}
	if err := xml.Unmarshal(out, &said); err != nil {
		return nil, fmt.Errorf("reading the result: %w", err)
	}
	if err := os.Rename(after, path); err != nil {
		return said.Errors, fmt.Errorf("the cluster with its events was not written: %w", err)
	}
	return said.Errors, nil
}

// check reports a run of crm_simulate that has ended before its end.
func (s simulationXML) check(cib *CIB) error {
	if len(s.After.Nodes) == 0 && len(cib.nodeNames()) > 0 {
		return errors.New("crm_simulate has ended without a result")
	}
	return nil
}

// simulate runs the scheduler on a CIB in a file at path. It does not change the cluster.
// events are injected, such as the failure of a node.
func (t *tools) simulate(ctx context.Context, cib *CIB, path string, events ...string) (simulationXML, error) {
	if _, err := inject(ctx, t, cib, path, events); err != nil {
		return simulationXML{}, fmt.Errorf("simulating: %w", err)
	}
	return schedule(ctx, t, cib, path)
}

// schedule is simulate with options of crm_simulate that are no events.
func schedule(ctx context.Context, t *tools, cib *CIB, path string, options ...string) (simulationXML, error) {
	args := append([]string{"-x", path, "-S"}, options...)
	out, err := t.run(ctx, call{tool: "crm_simulate", args: args, file: path, within: cib.schedulerTime(t.cfg.Timeout)})
	if failed, ok := errors.AsType[*cluster.Error](err); ok && failed.Kind == cluster.KindTimedOut {
		failed.Said += fmt.Sprintf("; the cluster has %d resources on %d nodes", len(cib.primitives()), len(cib.nodeNames()))
	}
	if err != nil {
		return simulationXML{}, fmt.Errorf("simulating: %w", err)
	}
	var s simulationXML
	if err := xml.Unmarshal(out, &s); err != nil {
		return simulationXML{}, fmt.Errorf("simulating: reading the result: %w", err)
	}
	if err := s.check(cib); err != nil {
		return simulationXML{}, fmt.Errorf("simulating: %w", err)
	}
	return s, nil
}

// predict returns what the cluster would do with a CIB.
func (t *tools) predict(ctx context.Context, cib *CIB, events ...string) (cluster.Consequences, error) {
	var s simulationXML
	err := withFile(cib.data, func(path string) error {
		var err error
		s, err = t.simulate(ctx, cib, path, events...)
		return err
	})
	if err != nil {
		return cluster.Consequences{}, err
	}
	return s.foretold(cib), nil
}

// foretold is what the scheduler has decided about a CIB, and the status when that is done.
func (s simulationXML) foretold(cib *CIB) cluster.Consequences {
	m := monitorXML{Nodes: s.After.Nodes, Resources: s.After.Resources, Failures: s.After.Failures}
	m.DC.Version, m.DC.Quorum, m.DC.Present = cib.property("dc-version"), cibxml.IsTrue(cib.root.Attr("have-quorum")), true
	m.Options.Maintenance, m.Options.StopAll = cibxml.IsTrue(cib.property("maintenance-mode")), cibxml.IsTrue(cib.property("stop-all-resources"))
	for _, n := range m.Nodes {
		if n.IsDC {
			m.DC.Name = n.Name
		}
	}
	actions := s.consequences()
	return cluster.Consequences{Actions: actions, Text: cluster.Summarize(actions), After: view(cib, m, planned{}, "")}
}
