package cli

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/lb"
)

// changedMember is a member after a change, with what became of the change.
type changedMember struct {
	client.Member
	client.Applied
}

func newMember(env environment) *cobra.Command {
	r := &remote{env: env}
	var q client.MemberRequest
	cmd := &cobra.Command{
		Use:   "member BACKEND MEMBER STATE",
		Short: "Drain one member, take it out of use, or weigh it",
		Long: `Asks for the state of one member of a backend, static or dynamic, and returns when it
is in effect. MEMBER is HOST:PORT. STATE is

  drain   no new requests; requests in progress end
  maint   no requests and no health checks
  ready   in use again, as Consul and the health checks have it

The state stays over reloads and restarts, also when the member leaves Consul and comes
back, until --for is over or somebody sets "ready". "thalassa backends get" shows it with
who set it and why.`,
		Example: `  echo '{"type":"static","members":[{"host":"10.0.0.5","port":8080}]}' | thalassa backends put old -
  thalassa member old 10.0.0.5:8080 drain --for 30m --reason "new disk"
  thalassa member old 10.0.0.5:8080 ready
  thalassa backends delete old`,
		Args:              arguments,
		ValidArgsFunction: r.complete(false, backendKeys, memberAddresses, memberStates),
		RunE: func(cmd *cobra.Command, args []string) error {
			if states, _ := memberStates(cmd.Context(), nil, nil); !slices.Contains(states, args[2]) {
				return mistake(cmd, "STATE: %q is not a state, expected drain, maint or ready", args[2])
			}
			if cmd.Flags().Changed("for") && q.For <= 0 {
				return mistake(cmd, "--for: %s is too short, expected 1s or more", q.For)
			}
			if q.Weight != "" {
				if _, err := lb.ParseWeighting(q.Weight); err != nil {
					return mistake(cmd, "--weight: %w", err)
				}
			}
			q.State = args[2]
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			m, applied, err := c.SetMember(cmd.Context(), args[0], args[1], q)
			if err != nil {
				return err
			}
			what := lb.StateReady
			if m.Override != nil {
				what = m.Override.String()
			}
			return r.showApplied(fmt.Sprintf("%s of backend/%s is %s", memberAddress(m), args[0], what), changedMember{m, applied}, applied)
		},
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Weight, "weight", "", "`weight` from 0 to 256, or a percentage of its own: 50%")
	f.DurationVar(&q.For, "for", time.Duration(0), "`time` after which the member is ready again, e.g. 30m")
	f.StringVar(&q.Reason, "reason", "", "`text` that says why")
	return cmd
}

func memberAddress(m client.Member) string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// memberAddresses are those of the members of the backend before.
func memberAddresses(ctx context.Context, c *client.Client, before []string) ([]string, error) {
	list, err := c.Members(ctx, before[0])
	return namesOf(list, memberAddress), err
}

// memberStates are the states that an operator can ask for.
func memberStates(context.Context, *client.Client, []string) ([]string, error) {
	return []string{lb.StateDrain, lb.StateMaint, lb.StateReady}, nil
}
