package cli

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/settings"
)

// newRoot builds the command line. Every command gets its surroundings from
// env; there is no package state.
func newRoot(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "thalassa",
		Short: "Keep HAProxy in step with Consul",
		Long: `Thalassa watches services in Consul and keeps HAProxy in step with them. It selects
instances by service name and version. No connection is lost when members come and go,
and an A/B deploy is one request.

  thalassa dev      run a complete demo on this machine
  thalassa agent    run the node agent of a load balancer
  thalassa status   show the state of the agent, HAProxy and Consul

Exit codes: ` + exitSummary(),
		Version:       env.Version + " (" + runtime.Version() + ")",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          arguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(versionLine(root))
	root.SetGlobalNormalizationFunc(settings.Kebab)
	root.SetFlagErrorFunc(badFlag)
	root.AddCommand(
		newAgent(env), newDev(env), newCheck(env), newHealth(env), newVersion(env), newSweep(env),
		newLogin(env), newContext(env), newUser(env), newToken(env), newStatus(env), newTop(env), newObjects(env, frontendObjects()), newObjects(env, backendObjects()), newObjects(env, sectionObjects()),
		newDeploy(env), newMember(env), newCanary(env), newCertificates(env), newAccept(env), newReload(env), newApply(env), newExport(env), newBackup(env), newRestore(env), newImport(env), newRevisions(env), newDiff(env), newRollback(env), newDraft(env), newCluster(env), newClusters(env), newConfig(env), newTemplate(env), newActivity(env), newCompletion(env), newManPages(env), newOCF(env), newNodeService(env), newMembershipService(env),
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
		return mistake(cmd, "--%s: %w", invalid.GetFlag().Name, settings.BadValue(invalid.GetFlag(), invalid.GetValue()))
	}
	return mistake(cmd, "%w", err)
}

// arguments demands the arguments that the command's Use names, none of them
// empty: an unset variable in a script must not become another request. One in
// brackets, the last, may be missing, and one with dots may be there several times.
func arguments(cmd *cobra.Command, args []string) error {
	names := strings.Fields(cmd.Use)[1:]
	least := len(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasPrefix(name, "[") }))
	switch {
	case cmd.HasSubCommands() && len(names) == 0 && len(args) > 0:
		return unknown(cmd, args[0])
	case len(names) == 0 && len(args) > 0:
		return mistake(cmd, "%s takes no arguments, got %q", cmd.Name(), args)
	case len(args) < least || len(args) > len(names) && !strings.Contains(names[len(names)-1], "..."):
		return mistake(cmd, "expected %s, got %q", strings.Join(names, " "), args)
	}
	if i := slices.Index(args, ""); i >= 0 {
		return mistake(cmd, "%s is empty", names[min(i, len(names)-1)])
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
