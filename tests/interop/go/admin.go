package main

import (
	"context"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes"
	pb "google.golang.org/genproto/googleapis/pubsub/v1"
)

const retryPolicyField = 14 // of Subscription; this genproto is older than it

func createTopic(ctx context.Context, words []string) (result, error) {
	c := newFlags("topic")
	_ = c.Parse(words)
	pub, _, err := raw()
	if err != nil {
		return nil, err
	}
	topic, err := pub.CreateTopic(ctx, &pb.Topic{Name: c.topicName(*c.topic)})
	if err != nil {
		return nil, err
	}
	return result{"topic": topic.Name}, nil
}

func createSub(ctx context.Context, words []string) (result, error) {
	c := newFlags("sub")
	ackDeadline := c.Duration("ack-deadline", 10*time.Second, "")
	deadLetter := c.String("dead-letter", "", "topic")
	attempts := c.Int("attempts", 5, "before a message is dead-lettered")
	retryMin := c.Duration("retry-min", 0, "backoff")
	retryMax := c.Duration("retry-max", 0, "backoff; 0: no retry policy")
	_ = c.Parse(words)
	_, sub, err := raw()
	if err != nil {
		return nil, err
	}
	request := &pb.Subscription{Name: c.subName(), Topic: c.topicName(*c.topic), AckDeadlineSeconds: int32(ackDeadline.Seconds())}
	if *deadLetter != "" {
		request.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: c.topicName(*deadLetter), MaxDeliveryAttempts: int32(*attempts)}
	}
	if *retryMax > 0 {
		request.XXX_unrecognized = retryPolicy(*retryMin, *retryMax)
	}
	made, err := sub.CreateSubscription(ctx, request)
	if err != nil {
		return nil, err
	}
	return result{"sub": made.Name, "ack_deadline_s": made.AckDeadlineSeconds}, nil
}

// RetryPolicy{minimum_backoff = 1, maximum_backoff = 2} as a field of Subscription.
func retryPolicy(min, max time.Duration) []byte {
	policy := embed(nil, 1, durationBytes(min))
	policy = embed(policy, 2, durationBytes(max))
	return embed(nil, retryPolicyField, policy)
}

func durationBytes(d time.Duration) []byte {
	bytes, _ := proto.Marshal(ptypes.DurationProto(d))
	return bytes
}

func embed(to []byte, field int, bytes []byte) []byte {
	to = append(to, proto.EncodeVarint(uint64(field<<3|2))...)
	to = append(to, proto.EncodeVarint(uint64(len(bytes)))...)
	return append(to, bytes...)
}
