package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/pacemaker"
)

// bound is how a command carries out the plan that was shown, and no other.
type bound struct {
	tag string // of the plan that was shown by another command; empty: none was
	yes bool   // without a question
}

func (b *bound) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.tag, "plan", "", "required `tag` of the plan")
	cmd.Flags().BoolVar(&b.yes, "yes", false, "skip the confirmation")
}

// ifMatch is the condition of an action: the plan has this tag. Empty: there is none.
func ifMatch(tag string) []string {
	if tag == "" {
		return nil
	}
	return []string{strconv.Quote(tag)}
}

// condition is that of a change by this plan, if somebody has read it: at a terminal, or before, with
// another command. Otherwise a cluster that is still settling would refuse it for what it does by
// itself.
func (p planned) condition(asked bool) []string {
	if !asked && p.tag == "" {
		return nil
	}
	return ifMatch(p.Tag)
}

// asks reports whether somebody at a terminal reads the plan before the change.
func (b bound) asks(o *onNode) bool { return !b.yes && o.output != "json" && isTerminal(o.env.Stdin) }

// withDifference is an error with what is different from the lines of the plan that was shown, if
// it says that the plan has changed. Without such lines it has the plan as it is now.
func withDifference(err error, shown []string) error {
	var now []string
	if changed, ok := errors.AsType[*cluster.PlanChangedError](err); ok {
		now = changed.Lines
	} else if answer, ok := errors.AsType[*client.Error](err); ok && answer.Status == http.StatusPreconditionFailed && answer.Output != "" {
		now = strings.Split(answer.Output, "\n")
	}
	if now == nil {
		return err
	}
	title, lines := "The plan is now:", now
	if shown != nil {
		title, lines = "The difference from the plan that was shown:", cluster.PlanDifference(shown, now)
	}
	return fmt.Errorf("%w\n%s\n  %s", err, title, strings.Join(lines, "\n  "))
}

func newClusterPlan(o *onNode, applies bool) *cobra.Command {
	var d describing
	var b bound
	force := false
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change, and what the cluster would do",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			description, err := d.description(cmd)
			if err != nil {
				return err
			}
			p, err := c.Plan(cmd.Context(), description)
			if err != nil {
				return err
			}
			if err := p.Meets(ifMatch(b.tag), "resource/"+description.Name); err != nil {
				return withDifference(err, nil)
			}
			if !applies || o.dryRun {
				return o.showPlan(p.HAProxyPlan, nil, true)
			}
			if err := p.CheckAnswers(); err != nil && !force {
				return err
			}
			return apply(cmd, o, c, applying{planned: planned{p, b}, described: description, force: force})
		},
	}
	d.flags(cmd)
	if applies {
		cmd.Use, cmd.Short = "apply", "Write HAProxy and its floating IPs into the cluster's configuration"
		cmd.Long = `Writes HAProxy and its floating IPs into the cluster's configuration and waits for the
final state. Before that, Pacemaker checks the configuration and simulates the result.
A second apply changes nothing. Resources that another program created are left alone.
If the agent of this node answers, the change is a job of the cluster.

The command carries out the plan that you confirm. If the cluster changes in between in a way
that makes another plan, nothing is done, and the difference is shown (exit code 4).
Without a question, the plan is the one of "thalassa cluster plan" whose tag --plan
gives. Without --plan as well, it follows what the cluster does meanwhile.`
		cmd.Example = "  thalassa cluster apply --ip 192.0.2.10/24 --ip 2001:db8::10/64 --prefer lb1"
		o.waitFlags(cmd)
		b.flags(cmd)
		cmd.Flags().BoolVar(&force, "force", false, "apply though a node has not answered")
	}
	return cmd
}

// An applying is an apply that was planned.
type applying struct {
	planned

	described pacemaker.Description
	force     bool
}

// apply shows a plan, asks, and carries it out.
func apply(cmd *cobra.Command, o *onNode, c *pacemaker.Cluster, p applying) error {
	if o.output != "json" {
		if err := o.showPlan(p.HAProxyPlan, nil, false); err != nil {
			return err
		}
	}
	described := cluster.HAProxy(p.described)
	a := cluster.Action{Kind: cluster.Apply, Resource: p.described.Name, HAProxy: &described, Force: p.force, Wait: o.wait}
	asked := len(p.Changes) > 0 && p.asks(o)
	a.IfMatch = p.condition(asked)
	if asked {
		if err := o.ask("apply"); err != nil {
			return err
		}
	}
	here := func() (cluster.Status, error) {
		plan, err := p.current(asked, a, func() (pacemaker.Plan, error) { return c.Plan(cmd.Context(), p.described) })
		if err != nil {
			return cluster.Status{}, err
		}
		return c.Apply(cmd.Context(), plan, o.wait)
	}
	var v cluster.Status
	var err error
	if len(p.Changes) == 0 { // nothing is asked of the cluster
		v, err = here()
	} else {
		v, _, err = o.carryOut(cmd.Context(), c, a, here)
	}
	err = withDifference(err, p.Lines())
	if o.output == "json" {
		return errors.Join(o.showPlan(p.HAProxyPlan, &v, false), err)
	}
	if v.Nodes != nil {
		fmt.Fprintln(o.env.Stdout)
		return errors.Join(o.showCluster(v), err)
	}
	return err
}

// showPlan shows a plan and, as JSON only, the state after it. A preview says how to carry it out.
func (o *onNode) showPlan(p cluster.HAProxyPlan, after *cluster.Status, preview bool) error {
	document := struct {
		cluster.HAProxyPlan
		Cluster *cluster.Status `json:"cluster,omitempty"`
	}{p, after}
	for _, w := range p.Warnings {
		fmt.Fprintln(o.env.Stderr, "thalassa: WARNING:", w)
	}
	return o.show(document, func(w io.Writer) {
		for _, line := range p.Lines() {
			row(w, line)
		}
		if preview && len(p.Changes) > 0 {
			row(w, "plan "+p.Tag+": --plan "+p.Tag+" carries out this plan and no other")
		}
	})
}
