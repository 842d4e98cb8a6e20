package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	neturl "net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"thalassa/auth"
	"thalassa/client"
)

// remote is what the commands that talk to an agent have in common.
type remote struct {
	env       environment
	address   string
	tokenFile string
	output    string
}

// flags declares the flags of a command that can show what it has in two forms.
func (r *remote) flags(cmd *cobra.Command) {
	r.agentFlags(cmd)
	cmd.PersistentFlags().StringVarP(&r.output, "output", "o", "", "output `format`: json or table")
}

// agentFlags declares the flags that say which agent to talk to, and as whom.
func (r *remote) agentFlags(cmd *cobra.Command) {
	address := r.env.Getenv("THALASSA_AGENT")
	if address == "" {
		address = client.DefaultAddress
	}
	f := cmd.PersistentFlags()
	f.StringVar(&r.address, "agent", address, "`URL` of the agent; overrides THALASSA_AGENT")
	f.StringVar(&r.tokenFile, "token-file", "", "`file` with the API token; overrides THALASSA_TOKEN")
}

// client of the agent that the flags name.
func (r *remote) client() (*client.Client, error) {
	if r.output != "" && r.output != "json" && r.output != "table" {
		return nil, usageError{fmt.Errorf("--output: %q is not known, expected json or table", r.output)}
	}
	token, err := r.token()
	if err != nil {
		return nil, usageError{fmt.Errorf("reading the token: %w", err)}
	}
	c, err := client.New(client.Config{Address: r.address, Token: token})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// token to show to the agent; empty: none.
func (r *remote) token() (string, error) {
	if r.tokenFile == "" {
		if token := r.env.Getenv("THALASSA_TOKEN"); token != "" {
			return token, nil
		}
		return r.nodeToken(), nil
	}
	data, err := os.ReadFile(r.tokenFile)
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(data))
	if len(words) != 1 {
		return "", fmt.Errorf("%s holds %d words, expected the token alone", r.tokenFile, len(words))
	}
	return words[0], nil
}

// nodeToken is a token of the installed agent of this node, where the caller may read
// its token file; empty: there is none for this agent. It is shown to no other node.
func (r *remote) nodeToken() string {
	u, err := neturl.Parse(r.address)
	if err != nil || r.env.TokenFile == "" {
		return ""
	}
	if a, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !a.Unmap().IsLoopback()) {
		return ""
	}
	token, err := auth.PlainToken(r.env.TokenFile)
	if err != nil {
		return "" // not for this user, or there is none: the agent says whether it takes one
	}
	return token
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
