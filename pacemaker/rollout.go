package pacemaker

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// The transient node attributes by which a rollout asks the agents of all nodes
// and they answer; the cluster carries them.
const (
	askAttribute    = "thalassa-validate"
	answerAttribute = "thalassa-validated"
)

// maxReason bounds an agent's answer.
const maxReason = 400

// A Rollout makes HAProxy take the configuration that is on the nodes' disks, on
// all of them.
type Rollout struct {
	Resource string        // haproxy
	Validate time.Duration // for the agents to answer (15 s)
	Wait     time.Duration // for the final state (2 min)
	// Restart allows that HAProxy is started again where Pacemaker can no longer
	// have it reload.
	Restart bool
}

// A NodeAnswer is what the agent of a node said about its configuration.
type NodeAnswer struct {
	Node   string `json:"node"`
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitempty"`
}

// RolledOut is what has become of a rollout.
type RolledOut struct {
	Nodes []NodeAnswer `json:"nodes"`
	From  string       `json:"from"` // generation
	To    string       `json:"to"`   // From: it was not begun, or taken back
	// Reloaded are the nodes where HAProxy has read its file, the last of them
	// within ReloadMs of the call that raised the generation.
	Reloaded []string `json:"reloaded"`
	ReloadMs int64    `json:"reloadMs"`
	// SettleMs is how long it took until Pacemaker had nothing left to do, and its
	// monitors had looked at all of them.
	SettleMs int64          `json:"settleMs"`
	Cluster  cluster.Status `json:"cluster"`
}

// Rollout has the agent of every node that is up check its configuration, then
// raises the resource's parameter "generation", upon which Pacemaker reloads
// HAProxy wherever it runs. Nothing is changed unless every node has said yes
// (*lb.RefusedError), and Pacemaker would reload and not start HAProxy again
// (*lb.ConflictError). When a reload fails, or a HAProxy does not take its file,
// the former generation is put back, and the error is an *lb.ConflictError.
func (c *Cluster) Rollout(ctx context.Context, r Rollout) (RolledOut, error) {
	r = r.withDefaults()
	cib, err := c.Query(ctx)
	if err != nil {
		return RolledOut{}, err
	}
	before, err := c.View(ctx, cib)
	if err != nil {
		return RolledOut{}, err
	}
	out := RolledOut{Cluster: before, Nodes: []NodeAnswer{}, Reloaded: []string{}}
	if out.From, err = cib.generation(r.Resource); err != nil {
		return out, err
	}
	out.To = out.From
	number, _ := strconv.Atoi(out.From) // it is a number
	next := strconv.Itoa(number + 1)
	where, err := c.foreseeReload(ctx, cib, r, next)
	if err != nil {
		return out, err
	}
	asked := askable(before)
	defer c.forgetQuestion(context.WithoutCancel(ctx), asked) // at last: it is work for the nodes that are to reload
	if out.Nodes, err = c.validate(ctx, asked, r.Validate); err != nil {
		return out, err
	}
	if err := refusal(out.Nodes); err != nil {
		return out, err
	}
	after, err := c.reload(ctx, r, next, where, &out)
	bad := failedSince(before, after, r.Resource)
	if err == nil && len(bad) == 0 {
		out.Cluster, out.To = after, next
		return out, nil
	}
	return out, c.goBack(ctx, r, where, &out, bad, err)
}

func (r Rollout) withDefaults() Rollout {
	if r.Resource == "" {
		r.Resource = "haproxy"
	}
	if r.Validate <= 0 {
		r.Validate = 15 * time.Second
	}
	if r.Wait <= 0 {
		r.Wait = settleWithin
	}
	return r
}

// goBack puts the former generation back, and is the error of the rollout.
func (c *Cluster) goBack(ctx context.Context, r Rollout, where []string, out *RolledOut, bad []string, err error) error {
	var second RolledOut
	back, undo := c.reload(context.WithoutCancel(ctx), r, out.From, where, &second)
	if back.Nodes != nil {
		out.Cluster = back
	}
	reason := strings.Join(bad, "; ")
	if err != nil {
		reason = strings.TrimPrefix(reason+"; "+err.Error(), "; ")
	}
	if undo != nil {
		return fmt.Errorf("going back to generation %s after %s: %w", out.From, reason, undo)
	}
	return &lb.ConflictError{ID: "resource/" + r.Resource, Reason: "the reload failed and generation " + out.From + " is back: " + reason}
}

// generation is the present value of a resource's parameter of that name.
func (c *CIB) generation(resource string) (string, error) {
	for _, p := range c.primitives() {
		if p.attr("id") != resource {
			continue
		}
		g := p.nvpair("instance_attributes", "generation")
		if g == "" {
			g = "0"
		}
		if _, err := strconv.Atoi(g); err != nil {
			return "", &lb.ConflictError{ID: "resource/" + resource, Reason: "its generation is " + strconv.Quote(g) + ", not a number"}
		}
		return g, nil
	}
	return "", &lb.NotFoundError{ID: "resource/" + resource}
}

// failedSince are the failures of a resource that were not there before.
func failedSince(before, after cluster.Status, resource string) []string {
	var out []string
	for _, f := range after.Failures {
		old := slices.ContainsFunc(before.Failures, func(o cluster.Failure) bool {
			return o.Node == f.Node && o.Resource == f.Resource && o.Operation == f.Operation && o.Call == f.Call
		})
		if f.Resource == resource && !old {
			out = append(out, fmt.Sprintf("%s on %s: %s", f.Operation, f.Node, failureReason(f)))
		}
	}
	return out
}

// refusal is the error when not every node has said yes.
func refusal(answers []NodeAnswer) error {
	var lines []string
	for _, a := range answers {
		if !a.Valid {
			lines = append(lines, a.Node+": "+a.Reason)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return &lb.RefusedError{Stage: "check", Output: "nothing has been changed\n" + strings.Join(lines, "\n")}
}

// askable are the nodes that are up.
func askable(v cluster.Status) []string {
	var nodes []string
	for _, n := range v.Nodes {
		if n.State == "offline" || n.State == "unclean" || n.State == "pending" {
			continue
		}
		nodes = append(nodes, n.Name)
	}
	return nodes
}

// forgetQuestion takes question and answers away. A leftover is harmless.
func (c *Cluster) forgetQuestion(ctx context.Context, nodes []string) {
	_ = c.setAttributes(ctx, nodes, askAttribute, "")
	_ = c.setAttributes(ctx, nodes, answerAttribute, "")
}

// validate asks the agents of nodes, and waits for their answers.
func (c *Cluster) validate(ctx context.Context, open []string, within time.Duration) ([]NodeAnswer, error) {
	request := rand.Text()[:12]
	if err := c.setAttributes(ctx, open, askAttribute, request); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers := make([]NodeAnswer, len(open))
	for {
		cib, err := c.Query(limited)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		missing := 0
		for i, name := range open {
			answers[i] = NodeAnswer{Node: name, Reason: "its agent has not answered within " + within.String() + "; does thalassa run there?"}
			if err != nil {
				missing++
				continue
			}
			if words, ok := strings.CutPrefix(cib.attributes()[name][answerAttribute], request+" "); ok {
				answers[i] = NodeAnswer{Node: name, Valid: words == "ok", Reason: strings.TrimPrefix(words, "ok")}
			} else {
				missing++
			}
		}
		if missing == 0 || limited.Err() != nil {
			return answers, nil
		}
		_ = wake.Pause(limited, settleEvery) // whose end shows above
	}
}

// setAttributes sets a transient attribute of several nodes at the same time.
func (c *Cluster) setAttributes(ctx context.Context, nodes []string, name, value string) error {
	var g errgroup.Group
	for _, n := range nodes {
		g.Go(func() error { return c.setAttribute(ctx, n, name, value) })
	}
	return g.Wait()
}

// setAttribute sets a transient attribute of a node; an empty value takes it
// away.
func (c *Cluster) setAttribute(ctx context.Context, node, name, value string) error {
	args := []string{"-n", name, "-N", node, "-U", value}
	if value == "" {
		args = []string{"-n", name, "-N", node, "-D"}
	}
	if _, err := c.run(ctx, call{tool: "attrd_updater", args: args, plain: true}); err != nil {
		return fmt.Errorf("setting the attribute %s of %s: %w", name, node, err)
	}
	return nil
}

// Answer answers the rollouts that ask this node, until ctx ends, which is no
// error. check tells whether HAProxy takes the configuration on this node's disk.
func (w *Watcher) Answer(ctx context.Context, check func(context.Context) error) error {
	answered := ""
	for {
		next := w.Changed()
		v := w.View()
		if request := asked(v); request != "" && request != answered && v.State != cluster.StateOffline {
			words := "ok"
			if err := check(ctx); err != nil {
				words = oneLine(err.Error())
			}
			if err := w.cluster.setAttribute(ctx, v.Self, answerAttribute, request+" "+words); err != nil {
				w.cluster.cfg.Logger.WarnContext(ctx, "rollout not answered", "error", err)
			} else {
				answered = request
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
	}
}

// asked is the rollout that asks this node; empty: none does.
func asked(v cluster.Status) string {
	for _, n := range v.Nodes {
		if n.Name == v.Self {
			return n.Attributes[askAttribute]
		}
	}
	return ""
}

// oneLine makes a reason fit for an attribute.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}
