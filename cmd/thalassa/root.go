package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		Version:       version() + " (" + runtime.Version() + ")",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          arguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(versionLine(root))
	root.SetGlobalNormalizationFunc(kebab)
	root.SetFlagErrorFunc(badFlag)
	root.AddCommand(
		newAgent(env), newDev(env), newCheck(env), newVersion(env), newSweep(env),
		newStatus(env), newTop(env), newObjects(env, frontendObjects()), newObjects(env, backendObjects()),
		newDeploy(env), newAccept(env), newCluster(env), newConfig(env), newTemplate(env), newActivity(env), newCompletion(env), newOCF(env),
	)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = topic
	}
	return root
}

// mistake makes a usage error that says where to read on.
func mistake(cmd *cobra.Command, format string, args ...any) error {
	return usageError{fmt.Errorf(format+"; see %s --help", append(args, cmd.CommandPath())...)}
}

// badFlag is about a flag that cmd does not have, or whose value is none.
func badFlag(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return mistake(cmd, "--%s: %w", invalid.GetFlag().Name, badValue(invalid.GetFlag(), invalid.GetValue()))
	}
	return mistake(cmd, "%w", err)
}

// badValue says of text what it is not, in an operator's words.
func badValue(f *pflag.Flag, text string) error {
	expected := "a value of type " + f.Value.Type()
	switch f.Value.Type() {
	case "int":
		expected = "a whole number"
	case "uint64":
		expected = "a whole number from 0 on"
	case "float64":
		expected = "a number"
	case "bool":
		expected = "true or false"
	case "duration":
		expected = "a time such as 30s or 5m"
	}
	return fmt.Errorf("%q is not %s", text, expected)
}

// arguments demands the arguments that the command's Use names, none of them
// empty: an unset variable in a script must not become another request.
func arguments(cmd *cobra.Command, args []string) error {
	names := strings.Fields(cmd.Use)[1:]
	switch {
	case cmd.HasSubCommands() && len(args) > 0:
		return unknown(cmd, args[0])
	case len(names) == 0 && len(args) > 0:
		return mistake(cmd, "%s takes no arguments, got %q", cmd.Name(), args)
	case len(args) != len(names):
		return mistake(cmd, "expected %s, got %q", strings.Join(names, " "), args)
	}
	if i := slices.Index(args, ""); i >= 0 {
		return mistake(cmd, "%s is empty", names[i])
	}
	return nil
}

// unknown is about a command that cmd does not have, and the nearest it has.
func unknown(cmd *cobra.Command, name string) error {
	hint := ""
	cmd.SuggestionsMinimumDistance = min(2, len(name)/3) // letters, few of a short word
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return mistake(cmd, "there is no command %q%s", name, hint)
}

// topic demands that the arguments of help name a command.
func topic(help *cobra.Command, args []string) error {
	cmd, rest, err := help.Root().Find(args)
	switch {
	case err != nil:
		return mistake(help.Root(), "%w", err)
	case len(rest) > 0:
		return unknown(cmd, rest[0])
	}
	return nil
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

// versionLine is the answer of both version and --version.
func versionLine(root *cobra.Command) string { return "thalassa " + root.Version + "\n" }

func newVersion(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(env.stdout, versionLine(cmd.Root()))
			return err
		},
	}
}

func newCompletion(env environment) *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print what makes bash, zsh or fish complete commands and flags",
		Example:   "  source <(thalassa completion bash)\n  thalassa completion fish > ~/.config/fish/completions/thalassa.fish",
		Args:      arguments,
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(env.stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(env.stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(env.stdout, true)
			}
			return mistake(cmd, "%q is not a shell known here, expected %s", args[0], strings.Join(cmd.ValidArgs, ", "))
		},
	}
}
