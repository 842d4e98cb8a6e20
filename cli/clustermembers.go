package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/lb"
)

// byAgent is what the commands have in common that change the membership of a node, and that an agent
// can carry out.
type byAgent struct {
	remote

	founding *founding
}

// remotely declares the flags of an agent. With --agent, a command asks that one; without, it works on
// this node.
func (f *founding) remotely(cmd *cobra.Command) *byAgent {
	r := &byAgent{remote{env: f.env}, f}
	r.agentFlags(cmd)
	return r
}

// isAsked reports whether the command is to ask an agent.
func (r *byAgent) isAsked(cmd *cobra.Command) bool { return cmd.Flags().Changed("agent") }

// local refuses flags that have no meaning for an agent.
func local(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return mistake(cmd, "--%s: has no meaning with --agent", name)
		}
	}
	return nil
}

// agent is the one to ask.
func (r *byAgent) agent(ctx context.Context) (*client.Client, error) {
	r.output = r.founding.output
	return r.client(ctx)
}

// permit asks whether to go on, unless --yes has answered.
func (r *byAgent) permit(verb string) error {
	switch {
	case r.founding.yes:
		return nil
	case !isTerminal(r.env.Stdin):
		return usageError{fmt.Errorf("nobody can be asked whether to %s; expected --yes", verb)}
	}
	return r.founding.ask(verb)
}

// invite asks for a code, and shows it. The agent waits for the nodes.
func (r *byAgent) invite(ctx context.Context, i cluster.Inviting) error {
	agent, err := r.agent(ctx)
	if err != nil {
		return err
	}
	made, err := client.InviteNodes(ctx, agent, i)
	if err != nil {
		return err
	}
	if made.Code == "" {
		return r.withoutCode(made)
	}
	return r.show(made, func(w io.Writer) {
		row(w, "On each new node's agent:")
		row(w)
		row(w, "  thalassa cluster join "+made.Code+" --agent https://…:10000")
		row(w)
		row(w, "The code is valid until "+made.Expires.Local().Format(time.DateTime)+". It gives the key of the cluster to whoever has it.")
		row(w, "Node "+made.Node+" waits for "+count(made.Nodes, "node")+"; thalassa cluster invite --end ends that.")
	})
}

// withoutCode shows an invitation without a code, and why there is none. One that is open is an error:
// only the answer to its first request had the code.
func (r *byAgent) withoutCode(made cluster.Invitation) error {
	if made.State == cluster.InvitationOpen {
		return &lb.ConflictError{ID: "invitation", Reason: "this request was answered before, with the code, which is not shown again; thalassa cluster invite --end ends the invitation, then make another one"}
	}
	return r.show(made, func(w io.Writer) {
		stepRows(w, made.Steps)
		row(w, "no code was made, and no node can join: the invitation is "+made.State+"; "+made.Result)
	})
}

// endInvitation ends the open invitation.
func (r *byAgent) endInvitation(ctx context.Context) error {
	agent, err := r.agent(ctx)
	if err != nil {
		return err
	}
	ended, err := client.EndInvitation(ctx, agent)
	if err != nil {
		return err
	}
	return r.show(ended, func(w io.Writer) {
		stepRows(w, ended.Steps)
		row(w, "the invitation has "+ended.State+": "+ended.Result)
	})
}

// join has the agent's node join, and shows the final state.
func (r *byAgent) join(ctx context.Context, j cluster.Joining) error {
	agent, err := r.agent(ctx)
	if err != nil {
		return err
	}
	if err := r.permit("have the node of that agent join the cluster"); err != nil {
		return err
	}
	done, err := client.JoinCluster(ctx, agent, j)
	if err != nil {
		return err
	}
	return r.show(done, func(w io.Writer) {
		stepRows(w, done.Steps)
		if done.Cluster == nil {
			row(w, "node "+done.Node+" has joined; its agent has not seen the cluster yet")
			return
		}
		for _, n := range done.Cluster.Nodes {
			row(w, n.Name, n.State)
		}
	})
}

func stepRows(w io.Writer, steps []cluster.MembershipStep) {
	for _, s := range steps {
		row(w, orDash(s.Node), s.Step, s.State, s.Text)
	}
}

// leave has a node leave by a job.
func (r *byAgent) leave(ctx context.Context, node string) error {
	return r.remove(ctx, cluster.Action{Kind: cluster.Leave, Node: node, Wait: nodesWait}, "take node "+node+" out of the cluster")
}

// forget has nodes that are gone forgotten by a job.
func (r *byAgent) forget(ctx context.Context, nodes []string, down bool) error {
	return r.remove(ctx, cluster.Action{Kind: cluster.Forget, Nodes: nodes, Down: down, Wait: nodesWait}, "forget "+strings.Join(nodes, ", "))
}

// remove shows what an action does that takes nodes out, asks, and has it carried out.
func (r *byAgent) remove(ctx context.Context, a cluster.Action, verb string) error {
	agent, err := r.agent(ctx)
	if err != nil {
		return err
	}
	seen, err := client.PredictClusterAction(ctx, agent, a)
	if err != nil {
		return err
	}
	if r.founding.dryRun {
		return r.show(seen, func(w io.Writer) { textRows(w, seen) })
	}
	if r.output != "json" {
		for _, line := range seen.Text {
			fmt.Fprintln(r.env.Stdout, line)
		}
	}
	if err := r.permit(verb); err != nil {
		return err
	}
	return r.carryOutOnNodes(ctx, agent, a)
}
