package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// remote is what the commands that talk to an agent have in common.
type remote struct {
	env       environment
	address   string // as --agent says; empty: the environment or a context does
	tokenFile string
	caFile    string
	output    string
	draft     string // that the command shows and changes; empty: none
}

// flags declares the flags of a command that can show what it has in two forms.
func (r *remote) flags(cmd *cobra.Command) {
	r.agentFlags(cmd)
	cmd.PersistentFlags().StringVarP(&r.output, "output", "o", "", "output `format`: json or table")
}

// agentFlags declares the flags that say which agent to talk to, and as whom.
func (r *remote) agentFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&r.address, "agent", "", "`URL` or context of the agent; overrides THALASSA_AGENT")
	f.StringVar(&r.tokenFile, "token-file", "", "`file` with the API token; overrides THALASSA_TOKEN")
	f.StringVar(&r.caFile, "ca-file", "", "PEM `file` of the CAs of the agent's certificate; overrides THALASSA_CA_FILE")
}

// draftFlag declares the flag of a command that can show and change a draft.
func (r *remote) draftFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&r.draft, "draft", "", "`ID` of a draft to show and change instead")
}

// changeFlags declares the flags of a command that makes several changes as one.
func changeFlags(cmd *cobra.Command, dryRun *bool, message *string) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().StringVarP(message, "message", "m", "", "`text` that the history shows with the change")
}

// instanceFlags declares the flags of a command that needs healthy instances for what it
// does.
func instanceFlags(cmd *cobra.Command, does string, force *bool, wait *time.Duration) {
	cmd.Flags().BoolVar(force, "force", false, does+" even without a healthy instance")
	cmd.Flags().DurationVar(wait, "wait", 0, "maximum `time` to wait for healthy instances, e.g. 30s")
}

// show prints v as JSON when that was asked for, else what table writes.
func (r *remote) show(v any, table func(w io.Writer)) error {
	if r.output == "json" || table == nil {
		encoder := json.NewEncoder(r.env.Stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(v)
	}
	w := tabwriter.NewWriter(r.env.Stdout, 0, 4, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// row prints one line of a table, whatever its cells hold.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, oneLine(fmt.Sprint(c)))
	}
	fmt.Fprintln(w)
}

// count is a number of things: "1 member", "2 members".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// orDash shows an empty cell.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// encodeLine prints v as JSON in one line.
func encodeLine(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
