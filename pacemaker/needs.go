package pacemaker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// needsWithin is how long a plan waits for the agents' answers.
const needsWithin = 10 * time.Second

// Needs are what a plan needs on every node that may run HAProxy.
type Needs struct {
	// Parameters of ocf:thalassa:haproxy, which its action validate-all must accept; nil:
	// HAProxy has another resource agent.
	Parameters map[string]string `json:"parameters,omitempty"`
	// Addresses are the floating IPs. Interface is theirs; empty: the one with their
	// network.
	Addresses []netip.Prefix `json:"addresses"`
	Interface string         `json:"interface,omitempty"`
	// Watched interfaces.
	Watched []string `json:"watched,omitempty"`
	// Elsewhere: HAProxy also runs where the floating IPs are not, and must be able to
	// bind there.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Manage is the floating IP of the management endpoint, and ManagePort the port of the
	// agents; not valid: there is none.
	Manage     netip.Prefix `json:"manage,omitzero"`
	ManagePort int          `json:"managePort,omitempty"`
}

// needs are what the Description needs on a node.
func needs(d Description) Needs {
	n := Needs{Addresses: d.Addresses, Interface: d.Interface, Elsewhere: d.Topology == Clone}
	n.Watched, _ = d.watched()
	if d.Manage.IsValid() {
		n.Manage, n.ManagePort = d.Manage, d.ManagePort
	}
	if d.Agent == thalassaAgent {
		n.Parameters = map[string]string{}
		maps.Copy(n.Parameters, d.Parameters)
	}
	return n
}

// checkNeeds asks the agents of the nodes that may run HAProxy whether these have what
// the Description needs. Nodes that refuse are a *cluster.Error of kind KindInvalid. Nodes that do not
// answer are in the plan: Apply refuses then.
func (c *Cluster) checkNeeds(ctx context.Context, d Description, cib, after *CIB, p *Plan) error {
	if !c.isLive() || c.cfg.File != "" {
		return nil
	}
	now, err := c.View(ctx, cib)
	if err != nil {
		return err
	}
	nodes, err := c.mayRun(ctx, after, d.Name)
	if err != nil {
		return err
	}
	text, err := json.Marshal(needs(d))
	if err != nil {
		return fmt.Errorf("asking the nodes: %w", err)
	}
	if len(text) > maxQuestion {
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: "parameters", Problem: fmt.Sprintf("have %d bytes", len(text)), Expected: fmt.Sprintf("%d at most", maxQuestion)}}}
	}
	q := question{ask: askPlanAttribute, answer: answerPlanAttribute, text: string(text), nodes: askable(now, nodes), within: needsWithin}
	defer c.forget(context.WithoutCancel(ctx), q)
	if p.Nodes, err = c.askNodes(ctx, q); err != nil && ctx.Err() != nil {
		return err
	} else if err != nil {
		p.Warnings = append(p.Warnings, "the nodes were not asked whether they have what is needed: "+err.Error())
	}
	var refused []string
	for _, a := range p.Nodes {
		if !a.Valid && !a.Silent {
			refused = append(refused, a.Node+": "+a.Reason)
		}
	}
	if len(refused) > 0 {
		return &cluster.Error{Tool: "the nodes", Kind: cluster.KindInvalid, Said: "nothing has changed; " + strings.Join(refused, "; ")}
	}
	if silent := p.silent(); len(silent) > 0 {
		p.Warnings = append(p.Warnings, noAnswer(silent))
	}
	return nil
}

// silent are the nodes that have not answered.
func (p Plan) silent() []string {
	var out []string
	for _, a := range p.Nodes {
		if a.Silent {
			out = append(out, a.Node)
		}
	}
	return out
}

func noAnswer(nodes []string) string {
	return "no answer from the agent of " + strings.Join(nodes, ", ") + ", which may run HAProxy: start thalassa there, or leave the node out with --nodes"
}

// CheckAnswers reports nodes that have not answered whether they have what the plan needs,
// unless HAProxy has another resource agent than Thalassa's. The error is an
// *lb.ConflictError.
func (p Plan) CheckAnswers() error {
	if silent := p.silent(); len(silent) > 0 && p.to != nil && p.isThalassa {
		return &lb.ConflictError{ID: "node/" + silent[0], Reason: noAnswer(silent) + ". Nothing has changed. With force, the plan is applied without these answers"}
	}
	return nil
}
