package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/auth"
)

func newToken(env environment) *cobra.Command {
	a := &accessCommand{env: env}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "List, make and remove the tokens of an access file",
		Long: `Lists the tokens in the file that the agent's setting access-file names, or changes it.
The file has the SHA-256 of each token. A running agent reads it again within a second.`,
		Args: arguments,
		RunE: func(*cobra.Command, []string) error { return a.listTokens() },
	}
	a.flags(cmd)
	cmd.AddCommand(a.newToken(), &cobra.Command{
		Use: "remove NAME", Short: "Remove all tokens of a name", Args: arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.edit(func(e *auth.AccessEdit) error { return e.RemoveToken(args[0]) })
		},
	})
	return cmd
}

func (a *accessCommand) newToken() *cobra.Command {
	var g grantFlags
	expires := ""
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token and print it, once",
		Long: `Prints the token alone on standard output. Nothing else ever shows it again.
With --on the role counts for the named objects only. * stands for any characters.`,
		Example: `  thalassa token new ci --role deploy --expires 90d --access-file access.yaml > token`,
		Args:    arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			grant, err := g.grant()
			if err != nil {
				return usageError{err}
			}
			end, err := expiry(expires, time.Now())
			if err != nil {
				return usageError{err}
			}
			token := auth.NewToken()
			err = a.edit(func(e *auth.AccessEdit) error {
				e.AddToken(args[0], token, grant, end)
				return nil
			})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(a.env.Stdout, token); err != nil {
				return errors.Join(err, a.edit(func(e *auth.AccessEdit) error { return e.WithdrawToken(token) }))
			}
			return nil
		},
	}
	g.declare(cmd)
	cmd.Flags().StringVar(&expires, "expires", "", "`time` until it expires, e.g. 12h or 90d (default: never)")
	return cmd
}

// expiry is when a token of a lifetime such as 12h or 90d expires; zero for an empty one.
func expiry(lifetime string, now time.Time) (time.Time, error) {
	if lifetime == "" {
		return time.Time{}, nil
	}
	const longest = 100 * 366 * 24 * time.Hour
	var d time.Duration
	if days, ok := strings.CutSuffix(lifetime, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n <= int(longest/(24*time.Hour)) {
			d = time.Duration(n) * 24 * time.Hour
		}
	} else if parsed, err := time.ParseDuration(lifetime); err == nil && parsed <= longest {
		d = parsed
	}
	if d <= 0 {
		return time.Time{}, fmt.Errorf("--expires: %q is not a lifetime, expected one such as 12h or 90d", lifetime)
	}
	return now.Add(d), nil
}

func (a *accessCommand) listTokens() error {
	_, tokens, err := auth.ListAccess(a.file)
	if err != nil {
		return usageError{err}
	}
	return (&remote{env: a.env}).show(tokens, func(w io.Writer) {
		row(w, "NAME", "ROLE", "EXPIRES", "ON")
		for _, t := range tokens {
			end := "never"
			if !t.Expires.IsZero() {
				end = t.Expires.UTC().Format(time.RFC3339)
			}
			row(w, t.Name, t.Role, end, scope(t))
		}
	})
}
