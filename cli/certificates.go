package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
)

// changedCertificate is a certificate after a change, with what became of the change.
type changedCertificate struct {
	client.StoredCertificate
	client.Applied
}

func newCertificates(env environment) *cobra.Command {
	r := &remote{env: env}
	list := func(cmd *cobra.Command, _ []string) error {
		c, err := r.client(cmd.Context())
		if err != nil {
			return err
		}
		all, err := client.NewCertificates(c).List(cmd.Context())
		if err != nil {
			return err
		}
		return r.show(all, func(w io.Writer) { showCertificates(w, all) })
	}
	cmd := &cobra.Command{
		Use:   "certificates",
		Short: "List, show, store, order, renew and delete certificates",
		Args:  arguments,
		RunE:  list,
	}
	r.flags(cmd)
	r.draftFlag(cmd)
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the stored certificates", Args: arguments, RunE: list},
		showCertificate(r), putCertificate(r), renewCertificate(r), deleteCertificate(r),
	)
	return cmd
}

func showCertificates(w io.Writer, all []client.StoredCertificate) {
	row(w, "CERTIFICATE", "NAMES", "KEYS", "EXPIRES", "USED BY", "ISSUER")
	for _, c := range all {
		types := make([]string, len(c.Files))
		for i, f := range c.Files {
			types[i] = f.Chain[0].Algorithm
		}
		if c.Kind == "authority" {
			types = []string{"authority"}
		}
		expires := ""
		if !c.Expires.IsZero() {
			expires = c.Expires.Local().Format(time.DateTime)
		}
		row(w, c.Key, firstOf(c.Names), orDash(strings.Join(types, ", ")), orDash(expires), firstOf(c.UsedBy), orDash(c.Issuer))
	}
}

// firstOf lists up to three of them.
func firstOf(list []string) string {
	const most = 3
	if len(list) > most {
		list = append(list[:most:most], fmt.Sprintf("%d more", len(list)-most))
	}
	return orDash(strings.Join(list, ", "))
}

func showCertificate(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a certificate as JSON, without its key", Args: arguments, ValidArgsFunction: r.complete(false, certificateKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			one, err := client.NewCertificates(c).Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return r.show(one, nil)
		},
	}
}

// A putting is what the command put does.
type putting struct {
	r      *remote
	upload client.Upload
	acme   bool
	order  client.Order
	ca     string // file
	crl    string // file
	noCRL  bool
}

func putCertificate(r *remote) *cobra.Command {
	p := &putting{r: r}
	cmd := &cobra.Command{
		Use:   "put NAME [CHAIN] [KEY]",
		Short: "Store a certificate with its chain and key, or order one",
		Long: `Stores certificates in PEM under a name. CHAIN is a file with the certificate and its
intermediate certificates in any order (-: standard input); it may have the private key as
well. Several keys of different types may share a name. Certificates of authorities (CAs)
have no key, and may have revocation lists (--crl). Without CHAIN, --crl replaces the lists
of a stored authority.

With --acme the agent orders the certificate by ACME, and renews it in time. There is no
CHAIN then. "thalassa certificates show" shows how far the order is.`,
		Example: `  openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop.example -days 90 \
    -keyout shop.key -out shop.crt
  thalassa certificates put shop shop.crt shop.key`,
		Args: arguments, ValidArgsFunction: r.complete(true, certificateKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			one, applied, err := p.run(cmd.Context(), client.NewCertificates(c), args)
			if err != nil {
				return err
			}
			return r.showApplied("certificate/"+args[0]+" stored", changedCertificate{one, applied}, applied)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&p.upload.AllowMissingIssuer, "allow-missing-issuer", false, "store even without the certificate of the issuer")
	f.StringVar(&p.crl, "crl", "", "PEM `file` of the revocation lists of authorities")
	f.BoolVar(&p.noCRL, "no-crl", false, "remove the revocation lists of the authorities")
	f.BoolVar(&p.acme, "acme", false, "order the certificate by ACME")
	f.StringSliceVar(&p.order.Domains, "domain", nil, "`names` of the ordered certificate")
	f.StringVar(&p.order.Challenge, "challenge", "", "`kind` of proof: http-01 (default) or dns-01")
	f.StringVar(&p.order.Directory, "directory", "", "`URL` of the ACME server's directory (default: Let's Encrypt)")
	f.StringVar(&p.ca, "directory-ca", "", "PEM `file` of the authorities of the ACME server's own certificate")
	f.StringVar(&p.order.Email, "email", "", "mail `address` for the certificate authority")
	f.StringVar(&p.order.KeyType, "key-type", "", "`type` of the key: ecdsa (default), ecdsa-p384, rsa, rsa-3072 or rsa-4096")
	return cmd
}

// run stores or orders.
func (p *putting) run(ctx context.Context, c client.Certificates, args []string) (client.StoredCertificate, client.Applied, error) {
	fail := func(err error) (client.StoredCertificate, client.Applied, error) {
		return client.StoredCertificate{}, client.Applied{}, err
	}
	var err error
	switch isOrder := p.acme || len(p.order.Domains) > 0; {
	case p.crl != "" && p.noCRL:
		return fail(usageError{errors.New("--crl does not go with --no-crl")})
	case isOrder && (p.crl != "" || p.noCRL):
		return fail(usageError{errors.New("--acme does not go with --crl: revocation lists are for authorities")})
	case isOrder && len(args) > 1:
		return fail(usageError{errors.New("--acme: cannot be combined with CHAIN: an ordered certificate comes from the server")})
	case isOrder:
		if p.ca != "" {
			if p.order.DirectoryCA, err = readPEM(p.r.env.Stdin, p.ca); err != nil {
				return fail(err)
			}
		}
		return c.Order(ctx, args[0], p.order)
	case len(args) < 2 && p.crl == "" && !p.noCRL:
		return fail(usageError{errors.New("CHAIN is missing, expected a PEM file; or --crl, or --acme with --domain")})
	}
	if err := p.read(args[1:]); err != nil {
		return fail(err)
	}
	return c.Put(ctx, args[0], p.upload)
}

// read reads the files: those of CHAIN and KEY, as far as they are named, and that of --crl.
func (p *putting) read(files []string) error {
	into := []*string{&p.upload.Chain, &p.upload.Key}[:len(files)]
	if p.noCRL || p.crl != "" {
		p.upload.CRL = new(string)
	}
	if p.crl != "" {
		files, into = append(slices.Clip(files), p.crl), append(into, p.upload.CRL)
	}
	for i, file := range files {
		var err error
		if *into[i], err = readPEM(p.r.env.Stdin, file); err != nil {
			return err
		}
	}
	return nil
}

func renewCertificate(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "renew NAME", Short: "Order a certificate again now",
		Long: `Has a certificate that is ordered by ACME ordered again now, and returns at once.
"thalassa certificates show" tells how that goes. While an order is under way it does
nothing.`,
		Args: arguments, ValidArgsFunction: r.complete(false, certificateKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			one, err := client.NewCertificates(c).Renew(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return r.show(one, func(w io.Writer) { row(w, "certificate/"+args[0]+" is ordered again") })
		},
	}
}

func deleteCertificate(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a certificate", Args: arguments, ValidArgsFunction: r.complete(false, certificateKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			applied, err := client.NewCertificates(c).Delete(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			id := "certificate/" + args[0]
			return r.showApplied(id+" deleted", deleted{id, applied}, applied)
		},
	}
}

// maxPEM bounds what is read of a file; the agent takes less.
const maxPEM = 16 << 20

// readPEM reads a file, or in for "-".
func readPEM(in io.Reader, file string) (string, error) {
	from := in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", usageError{fmt.Errorf("reading the certificate: %w", err)}
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxPEM))
	if err != nil {
		return "", usageError{fmt.Errorf("reading the certificate: %w", err)}
	}
	return string(data), nil
}

func certificateKeys(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
	list, err := client.NewCertificates(c).List(ctx)
	return namesOf(list, func(c client.StoredCertificate) string { return c.Key }), err
}
