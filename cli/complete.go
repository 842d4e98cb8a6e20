package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	nodeapi "thalassa/api/node"
	"thalassa/client"
)

// completeTime bounds what a shell waits for when somebody presses Tab.
const completeTime = 2 * time.Second

// lister asks an agent what an argument may be, after those that are there.
type lister func(ctx context.Context, c *client.Client, before []string) ([]string, error)

// complete is how shells complete arguments: with what the agent knows for the
// first ones, and with files behind them if files are meant. Without an agent that
// answers there is nothing to choose from.
func (r *remote) complete(files bool, arguments ...lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(arguments) {
			if files && len(args) == len(arguments) {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := r.client(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		names, err := arguments[len(args)](ctx, c, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		slices.Sort(names)
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func frontendKeys(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
	list, err := c.Frontends(ctx)
	return namesOf(list, func(f client.Frontend) string { return f.Key }), err
}

func backendKeys(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
	list, err := c.Backends(ctx)
	return namesOf(list, func(b client.Backend) string { return b.Key }), err
}

// dynamicKeys are those of the backends that can be switched.
func dynamicKeys(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
	list, err := c.Backends(ctx)
	list = slices.DeleteFunc(list, func(b client.Backend) bool { return b.Name == "" })
	return namesOf(list, func(b client.Backend) string { return b.Key }), err
}

// versionsOf are what Consul knows of the service of the backend before.
func versionsOf(ctx context.Context, c *client.Client, before []string) ([]string, error) {
	b, err := c.Backend(ctx, before[0])
	if err != nil {
		return nil, err
	}
	s, err := c.Service(ctx, b.Name)
	return namesOf(s.Versions, func(v nodeapi.VersionCount) string { return v.Version }), err
}

func serviceNames(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
	list, err := c.Services(ctx)
	return namesOf(list, func(s nodeapi.ServiceStatus) string { return s.Service }), err
}

func namesOf[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = name(one)
	}
	return out
}
