package cli

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/manifest"
)

func newExport(env environment) *cobra.Command {
	r := &remote{env: env}
	withKeys := false
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print all frontends, backends and raw sections, as apply reads them",
		Long: `Prints all frontends, backends and raw sections as YAML, with -o json as JSON. "thalassa
apply" reads both. Members of dynamic backends, which Consul has, and certificates are not
among it.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if withKeys {
				return usageError{errors.New("keys leave the agent only encrypted: expected thalassa backup --with-keys")}
			}
			if r.output == "yaml" {
				r.output = "" // which is what it is without --output
			}
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			objects, err := exported(cmd.Context(), c)
			if err != nil {
				return err
			}
			return r.showObjects(objects)
		},
	}
	r.agentFlags(cmd)
	cmd.Flags().StringVarP(&r.output, "output", "o", "", "output `format`: json or yaml")
	cmd.Flags().BoolVar(&withKeys, "with-keys", false, "refused: a backup has keys, and files do not")
	return cmd
}

// showObjects prints objects as a manifest.
func (r *remote) showObjects(objects manifest.Objects) error {
	if r.output == "json" {
		out := map[string]map[string]json.RawMessage{manifest.Frontends: {}, manifest.Backends: {}, manifest.Sections: {}}
		for id, body := range objects {
			out[id.Kind][id.Key] = body
		}
		return r.show(out, nil)
	}
	text, err := manifest.Format(objects)
	if err != nil {
		return err
	}
	_, err = r.env.Stdout.Write(text)
	return err
}

// exported reads all frontends, backends and raw sections as operators defined them.
func exported(ctx context.Context, c *client.Client) (manifest.Objects, error) {
	definitions, err := client.NewChangesets(c).Definitions(ctx)
	if err != nil {
		return nil, err
	}
	out := manifest.Objects{}
	for key, body := range definitions.Frontends {
		out[manifest.ID{Kind: manifest.Frontends, Key: key}] = body
	}
	for key, body := range definitions.Backends {
		out[manifest.ID{Kind: manifest.Backends, Key: key}] = body
	}
	for key, body := range definitions.Sections {
		out[manifest.ID{Kind: manifest.Sections, Key: key}] = body
	}
	return out, nil
}
