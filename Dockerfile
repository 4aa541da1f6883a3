# Tested environment with off-screen OpenGL. CPU:  docker build -t visual-her .
# CUDA:  docker build --build-arg BASE=AN_IMAGE_WITH_TORCH_2.11_OR_NEWER --build-arg CONSTRAINTS=/dev/null -t visual-her:cuda .
#        (the constraints pin the CPU-tested torch; without them pip keeps the image's own)
#        docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all -v "$PWD/out:/home/user/out" visual-her:cuda train --recipe chapter
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libegl1 libgl1 libgl1-mesa-dri libopengl0 libosmesa6 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/visual-her
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY reference reference
COPY spec_tests spec_tests
ARG CONSTRAINTS=constraints.txt
# A base whose Python belongs to its distribution refuses pip otherwise; an image is its own environment.
ENV PIP_BREAK_SYSTEM_PACKAGES=1
RUN python3 -m pip install --no-cache-dir -c ${CONSTRAINTS} ".[spec]"

RUN useradd --create-home user && install --directory --owner=user /home/user/out
USER user
WORKDIR /home/user/out
ENV MUJOCO_GL=egl PYTHONUNBUFFERED=1
ENTRYPOINT ["visual-her"]
CMD ["verify", "policy"]
