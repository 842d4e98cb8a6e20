package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/cluster"
)

// maxCIB bounds a CIB that is simulated, in bytes.
const maxCIB = 8<<20 - 64<<10

// supposing are the flags that say what a simulation supposes.
type supposing struct {
	nodes, operations, tickets []string
	quorum                     bool
}

func (s *supposing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&s.nodes, "node", nil, "`NAME=STATE`: a node that is online, offline or unclean; repeatable")
	f.StringArrayVar(&s.operations, "op", nil, "`NAME[:MS],RESOURCE,NODE,CODE`: the result of an operation, e.g. monitor:10000,vip,lb1,7; repeatable")
	f.StringSliceVar(&s.tickets, "ticket", nil, "`NAME=ACTION`: grant, revoke, standby or activate of a ticket; repeatable")
	f.BoolVar(&s.quorum, "quorum", true, "whether this partition has quorum")
}

// events are the events that the flags say.
func (s *supposing) events(cmd *cobra.Command) ([]cluster.Injection, error) {
	out := []cluster.Injection{}
	for _, text := range s.nodes {
		name, state, ok := strings.Cut(text, "=")
		if !ok {
			return nil, mistake(cmd, "--node: %q is not of the form NAME=STATE", text)
		}
		out = append(out, cluster.Injection{Node: name, State: state})
	}
	for _, text := range s.operations {
		parts := strings.Split(text, ",")
		if len(parts) != 4 {
			return nil, mistake(cmd, "--op: %q is not of the form NAME[:MS],RESOURCE,NODE,CODE", text)
		}
		name, interval, _ := strings.Cut(parts[0], ":")
		code, err := strconv.Atoi(parts[3])
		if err != nil {
			return nil, mistake(cmd, "--op: the code %q is no number", parts[3])
		}
		i := cluster.Injection{Operation: name, Resource: parts[1], Node: parts[2], Code: &code}
		if interval != "" {
			if i.Interval, err = strconv.Atoi(interval); err != nil {
				return nil, mistake(cmd, "--op: the interval %q is no number of milliseconds", interval)
			}
		}
		out = append(out, i)
	}
	for _, text := range s.tickets {
		name, action, ok := strings.Cut(text, "=")
		if !ok {
			return nil, mistake(cmd, "--ticket: %q is not of the form NAME=ACTION", text)
		}
		out = append(out, cluster.Injection{Ticket: name, Action: action})
	}
	if cmd.Flags().Changed("quorum") {
		out = append(out, cluster.Injection{Quorum: &s.quorum})
	}
	return out, nil
}

func newClusterSimulate(o *onNode) *cobra.Command {
	var supposing supposing
	var cib, at string
	var body struct {
		Draft      string              `json:"draft,omitempty"`
		CIB        string              `json:"cib,omitempty"`
		Inject     []cluster.Injection `json:"inject,omitempty"`
		At         *time.Time          `json:"at,omitempty"`
		Transition string              `json:"transition,omitempty"`
		Import     string              `json:"import,omitempty"`
	}
	cmd := o.agentCommand(&cobra.Command{
		Use:   "simulate",
		Short: "Show what the cluster would do: after events, with a draft, at another time, with another CIB",
		Long: `Asks Pacemaker's scheduler through an agent, and changes nothing. With -o json the answer
has the transition graph, the scores and the capacities, too. With --transition, shows what
the cluster would have done in a transition of its history.`,
		Example: `  thalassa cluster simulate --node lb1=unclean
  thalassa cluster simulate --op monitor:10000,vip,lb1,7 --at 2026-12-24T20:00:00Z
  thalassa cluster simulate --cib other.xml --quorum=false
  thalassa cluster simulate --transition 20261129T131402Z-warning-3-9c0e51d7 --node lb1=online`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if body.Inject, err = supposing.events(cmd); err != nil {
				return err
			}
			if at != "" {
				when, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return mistake(cmd, "--at: %q is no time, expected one as 2026-12-24T20:00:00Z", at)
				}
				body.At = &when
			}
			if cib != "" {
				data, err := readBounded(cib, maxCIB)
				if err != nil {
					return usageError{err}
				}
				body.CIB = string(data)
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			answer, err := c.Post(cmd.Context(), "/cluster/simulate", body, 0)
			if err != nil {
				return err
			}
			return o.showForeseen(answer)
		},
	})
	supposing.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&body.Draft, "draft", "", "`ID` of a draft of the cluster's configuration")
	f.StringVar(&cib, "cib", "", "`file` with a CIB in the place of the cluster's")
	f.StringVar(&at, "at", "", "`time` for rules, e.g. 2026-12-24T20:00:00Z")
	f.StringVar(&body.Transition, "transition", "", "`ID` of a transition of the history to simulate instead")
	f.StringVar(&body.Import, "import", "", "`ID` of the imported history that the transition is of")
	cmd.AddCommand(newClusterLosses(o))
	return cmd
}

func newClusterLosses(o *onNode) *cobra.Command {
	return o.agentCommand(&cobra.Command{
		Use: "loss [NODE...]", Short: "Show which nodes the cluster may lose, or what the failure of some at once would do",
		Example: `  thalassa cluster simulate loss
  thalassa cluster simulate loss lb1 lb3`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			var answer json.RawMessage
			if len(args) == 0 {
				err = c.Get(cmd.Context(), "/cluster/losses", &answer)
			} else {
				answer, err = c.Post(cmd.Context(), "/cluster/losses", map[string][]string{"nodes": args}, 0)
			}
			if err != nil {
				return err
			}
			var known cluster.Losses
			if len(args) > 0 {
				known.List = make([]cluster.Loss, 1)
				err = json.Unmarshal(answer, &known.List[0])
				known.Text = []string{known.List[0].String()}
			} else {
				err = json.Unmarshal(answer, &known)
			}
			if err != nil {
				return fmt.Errorf("reading the agent's answer: %w", err)
			}
			return o.show(answer, func(w io.Writer) {
				for _, line := range known.Text {
					row(w, line)
				}
				for _, loss := range known.List {
					for _, reason := range loss.Reasons {
						row(w, loss.Names()+": "+reason)
					}
				}
			})
		},
	})
}
