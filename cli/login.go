package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	neturl "net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"thalassa/client"
)

// login is the command of that name.
type login struct {
	env          environment
	name         string
	user         string
	sso          bool
	passwordFile string
	tokenFile    string
	caFile       string
	fingerprint  string
	replace      bool
	input        *bufio.Reader
}

func newLogin(env environment) *cobra.Command {
	l := &login{env: env}
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Remember an agent, its certificate and a token",
		Long: `Asks for a token, shows it to the agent, and stores both in contexts.json in the
directory thalassa of the user's configuration (mode 0600). Other commands then talk to
this agent; "thalassa context" switches to another one. With --user it asks for a password
instead, and stores a session that ends after twelve hours.

With --sso it shows an address of the agent's identity provider. Open it in a browser, on any
machine, and log in there. The page then shows a text to paste into the terminal.

If no known CA has signed the agent's certificate, the command shows its SHA-256, as
"thalassa status" on the node does, and asks whether to trust it. It remembers the key:
an agent that shows another key later is refused.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			l.input = bufio.NewReader(env.Stdin)
			return l.run(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.name, "name", "", "`name` of the context (default: host and port of the URL)")
	f.BoolVar(&l.replace, "replace", false, "take the name from another agent's context")
	f.StringVar(&l.user, "user", "", "`name` of a user, who logs in with a password")
	f.BoolVar(&l.sso, "sso", false, "login at the agent's identity provider, in a browser")
	f.StringVar(&l.passwordFile, "password-file", "", "`file` with the user's password (default: asks for it)")
	f.StringVar(&l.tokenFile, "token-file", "", "`file` with the token (default: asks for it)")
	f.StringVar(&l.caFile, "ca-file", "", "PEM `file` of the CAs of the agent's certificate")
	f.StringVar(&l.fingerprint, "fingerprint", "", "`SHA-256` of the certificate that is to be trusted")
	return cmd
}

func (l *login) run(ctx context.Context, address string) error {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	address = strings.TrimSuffix(address, "/")
	u, err := neturl.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return usageError{fmt.Errorf("%q is not the address of an agent, expected a URL such as https://lb1.example:10000", address)}
	}
	if u.Scheme != "https" && l.fingerprint+l.caFile != "" {
		return usageError{fmt.Errorf("--fingerprint and --ca-file are about a certificate, and %s has none; expected a URL that begins with https://", address)}
	}
	if err := l.checkName(address); err != nil {
		return err
	}
	r := &remote{env: l.env, caFile: l.caFile}
	cfg := client.Config{Address: address}
	if cfg.RootCAs, err = r.roots("", address); err != nil {
		return usageError{err}
	}
	switch {
	case u.Scheme == "https":
		pin, err := l.pin(ctx, cfg)
		if err != nil {
			return err
		}
		if pin != "" {
			cfg.Pins = []string{pin}
		}
	case !isLoopback(address):
		return usageError{fmt.Errorf("%s has no TLS, so that everybody on the way could read the token; expected a URL that begins with https://", address)}
	}
	who, err := l.logIn(ctx, &cfg, u.Host)
	if err != nil {
		return err
	}
	return l.store(cfg, u.Host, who)
}

// checkName refuses a name that the context of another agent has.
func (l *login) checkName(address string) error {
	if l.name == "" || l.replace {
		return nil
	}
	all, err := l.env.readContexts()
	if err != nil {
		return err
	}
	if known, ok := all.named(l.name); ok && known.URL != address {
		return usageError{fmt.Errorf("--name: %s is the context of %s; expected another name, or --replace", l.name, known.URL)}
	}
	return nil
}

// pin is the key of an agent whose certificate no CA vouches for, but the user does;
// empty: a CA does.
func (l *login) pin(ctx context.Context, cfg client.Config) (string, error) {
	shown, err := client.Inspect(ctx, cfg)
	if err != nil {
		return "", err
	}
	if l.fingerprint != "" {
		if !strings.EqualFold(strings.ReplaceAll(l.fingerprint, ":", ""), strings.ReplaceAll(shown.Fingerprint, ":", "")) {
			return "", usageError{fmt.Errorf("--fingerprint: the agent shows a certificate with the SHA-256 %s", shown.Fingerprint)}
		}
		return shown.PublicKey, nil
	}
	if shown.Doubt == nil {
		return "", nil
	}
	fmt.Fprintf(l.env.Stderr, "The certificate of %s is not known: %v\n", cfg.Address, shown.Doubt)
	fmt.Fprintf(l.env.Stderr, "  names    %s\n  expires  %s\n  SHA-256  %s\n", strings.Join(shown.Names, ", "), shown.NotAfter.UTC().Format(time.DateOnly), shown.Fingerprint)
	fmt.Fprint(l.env.Stderr, "\"thalassa status\" on the node shows the right SHA-256. Trust this one? (yes/no) ")
	answer, err := l.line()
	if err != nil {
		return "", err
	}
	if answer != "yes" {
		return "", usageError{errors.New("the certificate is not trusted; expected the answer yes, or --fingerprint or --ca-file")}
	}
	return shown.PublicKey, nil
}

// logIn shows the agent a token, or a name and a password, and leaves the token in cfg
// that later commands show.
func (l *login) logIn(ctx context.Context, cfg *client.Config, host string) (who client.Identity, err error) {
	switch {
	case l.sso && (l.user != "" || l.tokenFile != "" || l.passwordFile != ""):
		return client.Identity{}, usageError{errors.New("--sso: cannot be combined with a user or a token")}
	case l.sso:
		cfg.Token, who, err = l.atProvider(ctx, *cfg)
		return who, err
	case l.user == "":
		if cfg.Token, err = l.token(host); err != nil {
			return client.Identity{}, err
		}
		return client.WhoAmI(ctx, *cfg)
	}
	var password string
	if l.passwordFile != "" {
		password, err = firstLine(l.passwordFile)
	} else {
		fmt.Fprintf(l.env.Stderr, "Password of %s for %s: ", l.user, host)
		show := hideInput(l.env.Stdin)
		password, err = readLine(l.input)
		show()
		fmt.Fprintln(l.env.Stderr)
	}
	if err != nil {
		return client.Identity{}, usageError{fmt.Errorf("reading the password: %w", err)}
	}
	cfg.Token, who, err = client.LogIn(ctx, *cfg, l.user, password)
	return who, err
}

// atProvider logs the user in at the agent's identity provider, with a browser.
func (l *login) atProvider(ctx context.Context, cfg client.Config) (token string, who client.Identity, err error) {
	attempt, err := client.BeginLogin(ctx, cfg)
	if err != nil {
		return "", client.Identity{}, err
	}
	fmt.Fprintf(l.env.Stderr, "Open this address in a browser, and log in there:\n\n%s\n\nText that the page shows: ", printable(attempt.URL, ""))
	show := hideInput(l.env.Stdin)
	text, err := l.line()
	show()
	fmt.Fprintln(l.env.Stderr)
	if err != nil {
		return "", client.Identity{}, err
	}
	return client.CompleteLogin(ctx, cfg, attempt, text)
}

// token to show to the agent.
func (l *login) token(host string) (string, error) {
	if l.tokenFile != "" {
		token, err := tokenOf(l.tokenFile)
		if err != nil {
			return "", usageError{fmt.Errorf("reading the token: %w", err)}
		}
		return token, nil
	}
	fmt.Fprintf(l.env.Stderr, "Token for %s: ", host)
	defer hideInput(l.env.Stdin)()
	token, err := l.line()
	fmt.Fprintln(l.env.Stderr)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", usageError{errors.New("no token was given")}
	}
	return token, nil
}

// line reads a line of standard input.
func (l *login) line() (string, error) {
	text, err := readLine(l.input)
	if err != nil {
		return "", usageError{fmt.Errorf("reading standard input: %w", err)}
	}
	return strings.TrimSpace(text), nil
}

// store makes the agent the current context.
func (l *login) store(cfg client.Config, host string, who client.Identity) error {
	all, err := l.env.readContexts()
	if err != nil {
		return err
	}
	name := l.name
	if name == "" {
		name = all.nameFor(cfg.Address, host)
	}
	all.put(connection{Name: name, URL: cfg.Address, Pin: strings.Join(cfg.Pins, ""), Token: cfg.Token})
	all.Current = name
	if err := l.env.writeContexts(all); err != nil {
		return err
	}
	fmt.Fprintf(l.env.Stdout, "logged in to %s as %s, role %s; context %s\n", cfg.Address, who.Name, who.Role, name)
	return nil
}

// hideInput keeps a terminal from showing what is typed, until show is called.
func hideInput(stdin io.Reader) (show func()) {
	f, ok := stdin.(*os.File)
	if !ok || !isTerminal(stdin) {
		return func() {}
	}
	before, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return func() {}
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &hidden); err != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, before) }
}
