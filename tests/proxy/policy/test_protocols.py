import pytest
from understudy.v1 import prediction_pb2

from proxy.policy.protocols import PREDICT, UNDERSTUDY_PREDICT, USER_ID, Protocol, is_known_unary


@pytest.mark.parametrize(
    "method",
    [
        "/understudy.v1.PredictionService/Predict",
        "/inference.GRPCInferenceService/ModelInfer",
        "/inference.GRPCInferenceService/ServerLive",
        "/tensorflow.serving.PredictionService/Predict",
        "/tensorflow.serving.ModelService/GetModelStatus",
        "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions",
        "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping",
        "/grpc.health.v1.Health/Check",
    ],
)
def test_what_is_unary_by_its_protocol_s_definition(method):
    assert is_known_unary(method)


@pytest.mark.parametrize(
    "method",
    [
        "/inference.GRPCInferenceService/ModelStreamInfer",
        "/org.pytorch.serve.grpc.inference.InferenceAPIsService/StreamPredictions",
        "/org.pytorch.serve.grpc.inference.InferenceAPIsService/StreamPredictions2",
        "/tensorflow.serving.PredictionService/PredictStreamed",
        "/grpc.health.v1.Health/Watch",
        "/understudy.v1.PredictionService/Predict2",
        "/inference.GRPCInferenceServiceX/ModelInfer",
        "/a.B/C",
        "",
    ],
)
def test_what_streams_or_is_not_known(method):
    assert not is_known_unary(method)


def test_every_predict_protocol_has_a_place_for_a_user_id():
    assert set(PREDICT.values()) == set(Protocol) == set(USER_ID)


def test_our_own_paths_are_our_own_messages():
    service = prediction_pb2.DESCRIPTOR.services_by_name["PredictionService"]
    method = service.methods_by_name["Predict"]
    assert f"/{service.full_name}/{method.name}" == UNDERSTUDY_PREDICT
    assert USER_ID[Protocol.UNDERSTUDY] == ((method.input_type.fields_by_name["user_id"].number,),)
