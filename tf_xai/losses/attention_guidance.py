"""Guidance of attention by evidence: a model that looks at the reason."""

import keras
import tensorflow as tf

from tf_xai.core import attention, checks, trees
from tf_xai.losses.base import AttributionLoss

EXPLAINERS = ("attention", "attention_relevance", "attention_rollout")
KINDS = ("kl", "share")


@keras.saving.register_keras_serializable("tf_xai")
class AttentionGuidance(AttributionLoss):
    """Penalises attention that is not on the evidence.

        kl:     penalty_n = sum_i m_ni log (m_ni / a_ni),    m_n = M_n / sum_i M_ni
        share:  penalty_n = -log sum_i M_ni a_ni

    `a` is the mean over layers, heads and queries of the attention, and sums to 1 over the tokens. M is the mask of
    `with_evidence(x, relevant=M)`, or `1 - irrelevant`. "kl" is the divergence of attention from an even distribution
    over the evidence: every marked token is to be seen. For "share" it does not matter which part of the evidence
    attention is on, and a few words may have all of it. Evidence may be incomplete for both: what is not marked is only
    less welcome.

    The logarithm keeps the gradient alive where there is little attention on the evidence yet. For the weight `a_i` of
    softmax attention with a share of `s` on the evidence, minus that of "kl" is `m_i - a_i` with respect to the logit,
    and pulls at tokens that have hardly any attention, too; minus that of "share" is `a_i (M_i / s - 1)` (that of
    `1 - s` is `s` times that, and a few words of a long text begin with `s` near zero).

    Padding does not count: neither queries that are masked, nor tokens with an attention of exactly 0. (Attention that
    underflows, where logits are 100 apart, or 17 in float16, has no gradient and can not be told from padding.) Rows
    without evidence, or with evidence on padding only, have penalty 0.

    Args:
        layer: Name of an attention layer, a layer, or a list of these; None takes all. For raw attention it may also
            be cross-attention or attention pooling, if its keys are the tokens of an input.
        explainer: "attention"; "attention_rollout", for several layers; or "attention_relevance", which is that of the
            true class. The latter two follow residual connections, too: every token keeps a part of itself, so that the
            penalty can not reach zero. Or an `Explainer` of these.
        kind: "kl" or "share".
        **common: See `ExplanationLoss`.

    Reference: Zhong et al., 2019 (kl), https://arxiv.org/abs/1908.06870; Barrett et al., 2018 (attention trained with
    evidence), https://aclanthology.org/K18-1030; rollout: Abnar and Zuidema, 2020, https://arxiv.org/abs/2005.00928
    """

    needs_evidence = "relevant"

    def __init__(self, layer=None, explainer="attention", kind="kl", **common):
        super().__init__(explainer, **common)
        checks.choose("kind", kind, dict.fromkeys(KINDS))
        self.kind = kind
        checks.choose("explainer", self.explainer.method, dict.fromkeys(EXPLAINERS))
        if self.explainer.option("token") == "all":
            raise ValueError(
                "`AttentionGuidance` compares one number per token with the evidence. Received: token='all'. Pass the "
                "position of a query, or None for the mean over all."
            )
        if layer is not None:
            self.explainer = self.explainer.replace(layer=layer)

    def call(self, explain, batch):
        values = (
            self._raw(explain, batch) if self.explainer.method == "attention" else self.attributions(explain, batch)
        )
        values = trees.columns(trees.map_leaves(lambda mask, a: tf.ones_like(mask) * a, batch.relevant, values))
        evidence = trees.columns(batch.relevant)
        penalty = _of_share if self.kind == "share" else _divergence
        return penalty(tf.math.divide_no_nan(values, tf.reduce_sum(values, axis=1, keepdims=True)), evidence)

    def get_config(self):
        return {"kind": self.kind, **super().get_config()}

    def _raw(self, explain, batch):
        """The attention to every token, a tree like the inputs."""
        entries = attention.look(explain.score, batch.inputs, self.explainer.option("layer"))
        maps = [_of_call(entry, explain.score, batch.inputs) for entry in entries]
        return trees.map_leaves(lambda *leaves: tf.add_n(leaves) / len(leaves), *maps)


def _of_share(attention, evidence):
    share = tf.reduce_sum(evidence * attention, axis=1)
    return tf.where(share > 0, -tf.math.log(tf.where(share > 0, share, 1.0)), 0.0)


def _divergence(attention, evidence):
    seen = attention > 0
    wanted = tf.where(seen, evidence, 0.0)
    wanted = tf.math.divide_no_nan(wanted, tf.reduce_sum(wanted, axis=1, keepdims=True))
    return tf.reduce_sum(tf.math.xlogy(wanted, wanted) - wanted * tf.math.log(tf.where(seen, attention, 1.0)), axis=1)


def _of_call(entry, score, inputs):
    """What one attention layer attends to, the mean over heads and queries, a tree like the inputs."""
    flow = tf.reduce_mean(entry.weights, axis=1)
    if entry.valid is not None and entry.valid.shape[-1] != flow.shape[1]:
        # Of a mask over keys that are no queries, nothing is to be learnt about queries.
        entry = entry._replace(valid=None)
    return attention.read(flow, [entry], None, score, inputs, resize=True)
