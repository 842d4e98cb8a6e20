package cli

import (
	"context"
	"fmt"
	"io"
	"os"
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
		Short: "List, show, store and delete certificates",
		Args:  arguments,
		RunE:  list,
	}
	r.flags(cmd)
	r.draftFlag(cmd)
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the stored certificates", Args: arguments, RunE: list},
		showCertificate(r), putCertificate(r), deleteCertificate(r),
	)
	return cmd
}

func showCertificates(w io.Writer, all []client.StoredCertificate) {
	row(w, "CERTIFICATE", "NAMES", "KEYS", "EXPIRES", "ISSUER")
	for _, c := range all {
		types := make([]string, len(c.Files))
		for i, f := range c.Files {
			types[i] = f.Chain[0].Algorithm
		}
		if c.Kind == "authority" {
			types = []string{"authority"}
		}
		names := c.Names
		if len(names) > 3 {
			names = append(names[:3:3], fmt.Sprintf("%d more", len(c.Names)-3))
		}
		row(w, c.Key, orDash(strings.Join(names, ", ")), strings.Join(types, ", "), c.Expires.Local().Format(time.DateTime), c.Issuer)
	}
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

func putCertificate(r *remote) *cobra.Command {
	var upload client.Upload
	cmd := &cobra.Command{
		Use:   "put NAME CHAIN [KEY]",
		Short: "Store a certificate with its chain and key",
		Long: `Stores certificates in PEM under a name. CHAIN is a file with the certificate and its
intermediate certificates in any order (-: standard input); it may have the private key as
well. Several keys of different types may share a name. Certificates of authorities (CAs)
have no key.`,
		Example: `  openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop.example -days 90 \
    -keyout shop.key -out shop.crt
  thalassa certificates put shop shop.crt shop.key`,
		Args: arguments, ValidArgsFunction: r.complete(true, certificateKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if upload.Chain, err = readPEM(r.env.Stdin, args[1]); err != nil {
				return err
			}
			if len(args) > 2 {
				if upload.Key, err = readPEM(r.env.Stdin, args[2]); err != nil {
					return err
				}
			}
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			one, applied, err := client.NewCertificates(c).Put(cmd.Context(), args[0], upload)
			if err != nil {
				return err
			}
			return r.showApplied("certificate/"+args[0]+" stored", changedCertificate{one, applied}, applied)
		},
	}
	cmd.Flags().BoolVar(&upload.AllowMissingIssuer, "allow-missing-issuer", false, "store even without the certificate of the issuer")
	return cmd
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
