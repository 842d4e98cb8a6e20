package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/client"
)

// objects is one kind of object as the command line handles it.
type objects struct {
	kind   string // "frontend"
	key    string // of the sample, for the help; empty: "other"
	sample string // a document to put, for the help
	keys   lister
	list   func(ctx context.Context, r *remote, c *client.Client) error
	get    func(ctx context.Context, c *client.Client, key string) (any, error)
	put    func(ctx context.Context, c *client.Client, key string, document json.RawMessage) (any, client.Applied, error)
	remove func(ctx context.Context, c *client.Client, key string) (client.Applied, error)
	// flags declares what put takes; nil: nothing.
	flags func(f *pflag.FlagSet)
	// document makes the document to put of what is read; nil: it is JSON.
	document func(file string, data []byte) (json.RawMessage, error)
	// edit changes the document by the flags; nil: nothing does.
	edit func(document json.RawMessage) (json.RawMessage, error)
	// file says what kind of file put reads; empty: a JSON file.
	file string
}

// An object after a change is shown as the agent answers: with what became of
// the change beside its own fields.
type (
	changedFrontend struct {
		client.Frontend
		client.Applied
	}
	changedBackend struct {
		client.Backend
		client.Applied
	}
	deleted struct {
		ID string `json:"id"`
		client.Applied
	}
)

func frontendObjects() objects {
	overTLS := frontendTLS()
	return objects{
		kind:   "frontend",
		flags:  overTLS.declare,
		edit:   overTLS.edit,
		keys:   frontendKeys,
		sample: `{"bind": "127.0.0.1:8082", "backend": "live"}`,
		list: func(ctx context.Context, r *remote, c *client.Client) error {
			list, err := c.Frontends(ctx)
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) {
				row(w, "FRONTEND", "BIND", "MODE", "BACKEND", "RULES")
				for _, f := range list {
					row(w, f.Key, f.Bind, f.Mode, orDash(f.Backend), len(f.Rules))
				}
			})
		},
		get: func(ctx context.Context, c *client.Client, key string) (any, error) { return c.Frontend(ctx, key) },
		put: func(ctx context.Context, c *client.Client, key string, doc json.RawMessage) (any, client.Applied, error) {
			f, applied, err := c.PutFrontend(ctx, key, doc)
			return changedFrontend{f, applied}, applied, err
		},
		remove: func(ctx context.Context, c *client.Client, key string) (client.Applied, error) {
			return c.DeleteFrontend(ctx, key)
		},
	}
}

func backendObjects() objects {
	var how client.Put
	overTLS := backendTLS()
	return objects{
		kind: "backend",
		edit: overTLS.edit,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&how.Force, "force", false, "put even without a healthy instance")
			f.DurationVar(&how.Wait, "wait", 0, "maximum `time` to wait for a healthy instance, e.g. 30s")
			overTLS.declare(f)
		},
		keys:   backendKeys,
		sample: `{"type": "dynamic", "name": "demo", "version": "1.0.0"}`,
		list: func(ctx context.Context, r *remote, c *client.Client) error {
			list, err := c.Backends(ctx)
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) {
				row(w, "BACKEND", "TYPE", "SERVICE", "VERSION", "MODE", "BALANCE", "MEMBERS")
				for _, b := range list {
					row(w, b.Key, b.Type, orDash(b.Name), orDash(b.Selection()), b.Mode, b.Balance, len(b.Members))
				}
			})
		},
		get: func(ctx context.Context, c *client.Client, key string) (any, error) {
			return c.BackendWithUnused(ctx, key)
		},
		put: func(ctx context.Context, c *client.Client, key string, doc json.RawMessage) (any, client.Applied, error) {
			how.Document = doc
			b, applied, err := c.PutBackend(ctx, key, how)
			return changedBackend{b, applied}, applied, err
		},
		remove: func(ctx context.Context, c *client.Client, key string) (client.Applied, error) {
			return c.DeleteBackend(ctx, key)
		},
	}
}

func newObjects(env environment, o objects) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   o.kind + "s",
		Short: "List, show, change and delete " + o.kind + "s",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			return o.list(cmd.Context(), r, c)
		},
	}
	r.flags(cmd)
	r.draftFlag(cmd)
	put := &cobra.Command{
		Use: "put KEY FILE", Short: "Create or replace a " + o.kind + " from " + cmp.Or(o.file, "a JSON file") + " (-: standard input)", Args: arguments, ValidArgsFunction: r.complete(true, o.keys),
		Example: fmt.Sprintf("  echo '%s' | thalassa %ss put %s -", o.sample, o.kind, cmp.Or(o.key, "other")),
		RunE:    func(cmd *cobra.Command, args []string) error { return r.put(cmd.Context(), o, args[0], args[1]) },
	}
	if o.flags != nil {
		o.flags(put.Flags())
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "get KEY", Short: "Show a " + o.kind + " as JSON, as put accepts it", Args: arguments, ValidArgsFunction: r.complete(false, o.keys),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := r.client(cmd.Context())
				if err != nil {
					return err
				}
				object, err := o.get(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				return r.show(object, nil)
			},
		},
		put,
		&cobra.Command{
			Use: "delete KEY", Short: "Delete a " + o.kind, Args: arguments, ValidArgsFunction: r.complete(false, o.keys),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := r.client(cmd.Context())
				if err != nil {
					return err
				}
				applied, err := o.remove(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				id := o.kind + "/" + args[0]
				return r.showApplied(id+" deleted", deleted{id, applied}, applied)
			},
		},
	)
	return cmd
}

func (r *remote) put(ctx context.Context, o objects, key, file string) error {
	c, err := r.client(ctx)
	if err != nil {
		return err
	}
	document, err := o.read(r.env.Stdin, file)
	if err != nil {
		return err
	}
	object, applied, err := o.put(ctx, c, key, document)
	if err != nil {
		return err
	}
	return r.showApplied(o.kind+"/"+key+" stored", object, applied)
}

// read reads the document to put from a file, or from in for "-".
func (o objects) read(in io.Reader, file string) (json.RawMessage, error) {
	var data []byte
	var err error
	if file == "-" {
		file = "standard input"
		data, err = io.ReadAll(in)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("reading the document: %w", err)}
	}
	document := json.RawMessage(data)
	if o.document != nil {
		document, err = o.document(file, data)
	} else {
		err = checkJSON(file, data)
	}
	if err == nil && o.edit != nil {
		document, err = o.edit(document)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("reading the document: %w", err)}
	}
	return document, nil
}

// checkJSON names the line at which the data of a file is not JSON any more.
func checkJSON(file string, data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return fmt.Errorf("%s is empty, expected a JSON object", file)
	}
	var document any
	err := json.Unmarshal(data, &document)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("%s:%d: %w", file, 1+bytes.Count(data[:syntax.Offset], []byte("\n")), err)
	}
	return err
}

// showApplied tells what became of a change. One that is stored and not in
// effect ends the command with exitUnavailable.
func (r *remote) showApplied(what string, object any, a client.Applied) error {
	err := r.show(object, func(w io.Writer) {
		switch {
		case a.Draft != "":
			row(w, fmt.Sprintf("%s in draft %s", what, a.Draft))
		case !a.Applied:
			row(w, fmt.Sprintf("%s as revision %d", what, a.Revision))
		case a.Path == "none":
			row(w, fmt.Sprintf("%s, nothing had to change (revision %d)", what, a.Revision))
		default:
			row(w, fmt.Sprintf("%s and in effect after %.0f ms (%s, revision %d)", what, a.DurationMS, a.Path, a.Revision))
		}
		for _, warning := range a.Warnings {
			row(w, "warning: "+warning)
		}
	})
	if err == nil && !a.Applied && a.Draft == "" {
		return fmt.Errorf("%w: %s", errNotInEffect, a.Reason)
	}
	return err
}
