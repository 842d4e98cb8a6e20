package client

import (
	"context"

	"thalassa/cluster"
)

// OtherClusters are the other clusters that an agent shows, at a glance.
func OtherClusters(ctx context.Context, c *Client) ([]cluster.Summary, error) {
	var out []cluster.Summary
	_, err := c.transport.get(ctx, "/clusters", &out)
	return out, err
}
