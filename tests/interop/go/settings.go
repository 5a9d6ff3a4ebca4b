package main

import (
	"context"
	"strings"
	"time"

	"cloud.google.com/go/iam"
	"cloud.google.com/go/pubsub"
	"google.golang.org/api/iterator"
	pb "google.golang.org/genproto/googleapis/pubsub/v1"
	"google.golang.org/grpc/status"
)

const week = 7 * 24 * time.Hour

// What a server keeps of what it was told, step by step, as the official client reads it back. The first step that fails ends it.
func settings(ctx context.Context, words []string) (result, error) {
	c := newFlags("settings")
	_ = c.Parse(words)
	client, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	out := result{}
	for _, part := range []func(context.Context, *pubsub.Client, common, result) error{topicSettings, subSettings, policies, pages, withoutTopic} {
		if err := part(ctx, client, c, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func topicSettings(ctx context.Context, client *pubsub.Client, c common, out result) error {
	config := pubsub.TopicConfig{Labels: map[string]string{"team": "blue"}, KMSKeyName: "projects/p/locations/l/keyRings/r/cryptoKeys/k",
		MessageStoragePolicy: pubsub.MessageStoragePolicy{AllowedPersistenceRegions: []string{"europe-west1"}}}
	topic, err := client.CreateTopicWithConfig(ctx, *c.topic, &config)
	if err != nil {
		return err
	}
	made, err := topic.Config(ctx)
	if err != nil {
		return err
	}
	changed, err := topic.Update(ctx, pubsub.TopicConfigToUpdate{Labels: map[string]string{},
		MessageStoragePolicy: &pubsub.MessageStoragePolicy{AllowedPersistenceRegions: []string{"us-east1", "us-west1"}}})
	if err != nil {
		return err
	}
	_, none := topic.Update(ctx, pubsub.TopicConfigToUpdate{MessageStoragePolicy: &pubsub.MessageStoragePolicy{AllowedPersistenceRegions: []string{}}})
	out["topic"] = result{"labels": made.Labels, "key": made.KMSKeyName, "regions": made.MessageStoragePolicy.AllowedPersistenceRegions,
		"labels_after": len(changed.Labels), "regions_after": changed.MessageStoragePolicy.AllowedPersistenceRegions, "key_after": changed.KMSKeyName,
		"no_regions": status.Code(none).String()}
	return nil
}

func shown(config pubsub.SubscriptionConfig) result {
	never, _ := config.ExpirationPolicy.(time.Duration)
	return result{"ack_s": config.AckDeadline.Seconds(), "retain": config.RetainAckedMessages, "retention_s": config.RetentionDuration.Seconds(), "labels": len(config.Labels),
		"expires_s": never.Seconds(), "dead_letters": config.DeadLetterPolicy != nil}
}

// As it is made, then one update after the other.
func subSettings(ctx context.Context, client *pubsub.Client, c common, out result) error {
	sub, err := client.CreateSubscription(ctx, *c.sub, pubsub.SubscriptionConfig{Topic: client.Topic(*c.topic)})
	if err != nil {
		return err
	}
	config, err := sub.Config(ctx)
	steps := []result{shown(config)}
	for _, update := range []pubsub.SubscriptionConfigToUpdate{
		{AckDeadline: 2 * time.Minute, RetainAckedMessages: true, RetentionDuration: 2 * time.Hour, ExpirationPolicy: 25 * time.Hour},
		{Labels: map[string]string{"label": "value"}, DeadLetterPolicy: &pubsub.DeadLetterPolicy{DeadLetterTopic: c.topicName(*c.topic)}},
		{Labels: map[string]string{}, DeadLetterPolicy: &pubsub.DeadLetterPolicy{}, RetainAckedMessages: false},
		{ExpirationPolicy: time.Duration(0), PushConfig: &pubsub.PushConfig{}, RetentionDuration: week},
	} {
		if err == nil {
			config, err = sub.Update(ctx, update)
			steps = append(steps, shown(config))
		}
	}
	out["sub"] = steps
	return err
}

// Of the topic and of the subscription.
func policies(ctx context.Context, client *pubsub.Client, c common, out result) error {
	topic, err := policy(ctx, client.Topic(*c.topic).IAM(), "topics")
	if err != nil {
		return err
	}
	sub, err := policy(ctx, client.Subscription(*c.sub).IAM(), "subscriptions")
	out["policies"] = []result{topic, sub}
	return err
}

// Set, read, taken back; what a policy that was read too early may do; what is granted.
func policy(ctx context.Context, handle *iam.Handle, kind string) (result, error) {
	const member = "domain:example.com"
	var early, now, end *iam.Policy
	var granted []string
	var tooEarly error
	out := result{}
	steps := []func() error{
		func() (err error) { early, err = handle.Policy(ctx); return },
		func() (err error) { now, err = handle.Policy(ctx); return },
		func() error {
			out["roles"] = len(now.Roles())
			now.Add(member, iam.Viewer)
			return handle.SetPolicy(ctx, now)
		},
		func() (err error) { now, err = handle.Policy(ctx); return },
		func() error {
			out["had"] = now.HasRole(member, iam.Viewer)
			tooEarly = handle.SetPolicy(ctx, early)
			return nil
		},
		func() error { now.Remove(member, iam.Viewer); return handle.SetPolicy(ctx, now) },
		func() (err error) { end, err = handle.Policy(ctx); return },
		func() (err error) {
			granted, err = handle.TestPermissions(ctx, []string{"pubsub." + kind + ".get", "pubsub." + kind + ".update"})
			return
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	out["too_early"], out["roles_after"], out["granted"] = status.Code(tooEarly).String(), len(end.Roles()), len(granted)
	return out, nil
}

// How many topics come page by page, two at a time, and how many pages there were.
func pages(ctx context.Context, client *pubsub.Client, c common, out result) error {
	for _, id := range []string{"-page-b", "-page-a", "-page-c"} {
		if _, err := client.CreateTopic(ctx, *c.topic+id); err != nil {
			return err
		}
	}
	pub, _, err := raw()
	if err != nil {
		return err
	}
	names, n, token := []string{}, 0, ""
	for n == 0 || token != "" {
		topics := []*pb.Topic{}
		token, err = iterator.NewPager(pub.ListTopics(ctx, &pb.ListTopicsRequest{Project: "projects/" + *c.project}), 2, token).NextPage(&topics)
		if err != nil {
			return err
		}
		for _, topic := range topics {
			names = append(names, strings.TrimPrefix(topic.Name, c.topicName("")))
		}
		n++
	}
	out["topics"], out["pages"] = names, n
	return nil
}

// What a subscription says of its topic once that is gone.
func withoutTopic(ctx context.Context, client *pubsub.Client, c common, out result) error {
	if err := client.Topic(*c.topic).Delete(ctx); err != nil {
		return err
	}
	config, err := client.Subscription(*c.sub).Config(ctx)
	if err == nil {
		out["deleted"] = config.Topic.String()
	}
	return err
}
