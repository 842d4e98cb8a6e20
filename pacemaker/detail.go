package pacemaker

import (
	"cmp"
	"context"
	"encoding/xml"
	"slices"
	"strconv"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

const (
	// infinity is Pacemaker's INFINITY, the greatest score and count.
	infinity = 1000000
	// maxFenceEvents limits how much of the fence history is kept.
	maxFenceEvents = 50
)

// detailXML is the part of crm_mon's XML output that explains the rest.
type detailXML struct {
	Tickets []struct {
		ID      string `xml:"id,attr"`
		Status  string `xml:"status,attr"`
		Standby bool   `xml:"standby,attr"`
	} `xml:"tickets>ticket"`
	Bans []struct {
		ID           string `xml:"id,attr"`
		Resource     string `xml:"resource,attr"`
		Node         string `xml:"node,attr"`
		Score        string `xml:"weight,attr"`
		PromotedOnly bool   `xml:"promoted-only,attr"`
	} `xml:"bans>ban"`
	History []struct {
		Node      string `xml:"name,attr"`
		Resources []struct {
			ID        string `xml:"id,attr"`
			Failed    string `xml:"fail-count,attr"`
			Threshold string `xml:"migration-threshold,attr"`
		} `xml:"resource_history"`
	} `xml:"node_history>node"`
	Fencing []fenceXML `xml:"fence_history>fence_event"`
}

type fenceXML struct {
	Node   string `xml:"target,attr"`
	Action string `xml:"action,attr"`
	Status string `xml:"status,attr"`
	Device string `xml:"delegate,attr"`
	Reason string `xml:"exit-reason,attr"`
	Time   string `xml:"completed,attr"`
}

// addTo adds the details to the status of a CIB.
func (d detailXML) addTo(v *cluster.Status, cib *CIB) {
	for _, t := range d.Tickets {
		v.Tickets = append(v.Tickets, cluster.Ticket{ID: t.ID, Granted: t.Status == "granted", Standby: t.Standby})
	}
	for _, b := range d.Bans {
		v.Bans = append(v.Bans, cluster.Ban{ID: b.ID, Resource: base(b.Resource), Node: b.Node, Score: b.Score, PromotedOnly: b.PromotedOnly})
	}
	for _, n := range d.History {
		for _, r := range n.Resources {
			if count := number(r.Failed); count > 0 {
				v.FailCounts = append(v.FailCounts, cluster.FailCount{Resource: base(r.ID), Node: n.Node, Count: count, Threshold: number(r.Threshold)})
			}
		}
	}
	for _, f := range d.Fencing[:min(len(d.Fencing), maxFenceEvents)] {
		v.FenceHistory = append(v.FenceHistory, f.event(cib))
	}
}

// event converts one fencing action. The CIB knows secrets that its reason may have.
func (f fenceXML) event(cib *CIB) cluster.FenceEvent {
	out := cluster.FenceEvent{Node: f.Node, Action: f.Action, Status: f.Status, Device: f.Device, Reason: cib.Hide(cibxml.Unescape(f.Reason))}
	out.Time = parseTime(f.Time)
	return out
}

// number reads a count: a number, INFINITY, or nothing.
func number(s string) int {
	if s == "INFINITY" || s == "+INFINITY" {
		return infinity
	}
	n, _ := strconv.Atoi(s)
	return n
}

// parseTime reads a time of Pacemaker's tools: "2026-01-02 15:04:05Z", with " +02:00", or
// in the format of C's ctime, which is always UTC here. The zero time: none of them.
func parseTime(s string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 -07:00", time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// fenceHistory returns the latest fencing actions of the running cluster; nil: there are
// none, or this node's fencer does not answer.
func (t *tools) fenceHistory(ctx context.Context) []fenceXML {
	if !t.isLive() || t.cfg.File != "" {
		return nil
	}
	// Without -V, stonith_admin only shows the last success.
	out, err := t.run(ctx, call{tool: "stonith_admin", args: []string{"--history", "*", "-V"}, within: lookWithin})
	if err != nil {
		return nil
	}
	return readHistory(out)
}

// readHistory reads the output of stonith_admin, the latest event first. What is pending has
// no time, and is the latest.
func readHistory(out []byte) []fenceXML {
	var result struct {
		Events []fenceXML `xml:"list>fence_event"`
		Older  []fenceXML `xml:"fence_history>fence_event"`
	}
	if xml.Unmarshal(out, &result) != nil {
		return nil
	}
	events := slices.Concat(result.Events, result.Older)
	slices.SortStableFunc(events, func(a, b fenceXML) int {
		if byStatus := cmp.Compare(ended(a), ended(b)); byStatus != 0 {
			return byStatus
		}
		return parseTime(b.Time).Compare(parseTime(a.Time))
	})
	return events
}

// ended is 0 for an action that is pending, else 1.
func ended(f fenceXML) int {
	if f.Status == "pending" {
		return 0
	}
	return 1
}

// capacity is the utilization of a node, by name.
func (c *CIB) capacity(node string) map[string]string {
	for _, n := range c.section("nodes").Descendants("node") {
		if n.Attr("uname") == node {
			return cibxml.ShownPairs("utilization", config.PairsIn(c.section("nodes"), n, "utilization"))
		}
	}
	return nil
}

// addUtilization adds what each resource needs.
func addUtilization(v *cluster.Status, c *CIB) {
	resources := c.section("resources")
	for i, r := range v.Resources {
		if p := resources.ByID(r.ID); p != nil && p.Name == "primitive" {
			v.Resources[i].Utilization = cibxml.ShownPairs("utilization", config.Inherited(resources, p, "utilization"))
		}
	}
}
