package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newRoot builds the command line. Every command gets its surroundings from
// env; there is no package state.
func newRoot(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "thalassa",
		Short: "Consul services become traffic through HAProxy",
		Long: `Thalassa watches Consul services by name and version and keeps HAProxy in step
with them: no lost connection, and an A/B deploy is one request.

  thalassa dev      a whole demo on this machine: Consul, services, HAProxy, agent
  thalassa agent    the node agent of a load balancer
  thalassa status   what the agent, HAProxy and Consul are doing

Exit codes: 0 done, 1 failed, 2 wrong arguments or input, 3 not found, 4 conflict,
5 refused by HAProxy, 6 not available now, 7 not permitted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q, see %s --help", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetGlobalNormalizationFunc(kebab)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w, see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		newAgent(env), newDev(env), newCheck(env), newVersion(env), newSweep(env),
		newStatus(env), newObjects(env, frontendObjects()), newObjects(env, backendObjects()),
		newDeploy(env), newConfig(env), newActivity(env),
	)
	return root
}

// usageArgs makes a mistake in the arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w, see %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}

// version of the program, as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "devel" {
			v += "-" + s.Value[:12]
		}
	}
	return v
}

func newVersion(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return errors.New("the program carries no build information")
			}
			_, err := fmt.Fprintf(env.stdout, "thalassa %s (%s)\n", version(), info.GoVersion)
			return err
		},
	}
}
